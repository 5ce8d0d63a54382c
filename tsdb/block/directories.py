"""The directories of a block: layers, rollups and labels over the sections of its file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.format import (
    NATIVE_PAGE,
    NATIVE_START_PAGE,
    NATIVE_TIME_PAGE,
    PAGE,
    START_PAGE,
    TIME_PAGE,
    Description,
    GridSections,
    LabelSections,
    NativeSections,
    PageSections,
    RollupSections,
    StartSections,
    cell_page,
)
from novaql.tsdb.block.label_columns import BlockColumn, PiecedTexts
from novaql.tsdb.block.open_files import BlockFile
from novaql.tsdb.block.paged_histograms import PagedHistograms
from novaql.tsdb.block.paged_stream import PagedStream
from novaql.tsdb.block.pages import PageCache
from novaql.tsdb.block.sections import Sections
from novaql.tsdb.block.statistics import Statistics
from novaql.tsdb.codec.columns import TextColumn, Undecodable
from novaql.tsdb.errors import Corrupted
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.parts.lazy_ints import Pieces, running
from novaql.tsdb.parts.part import Layer, Rollup
from novaql.tsdb.parts.sorted_run import RunDirectory, SortedHistogramRun, SortedRun


class Rollups:
    """The rollups of a block, which are read at first use."""

    def __init__(
        self, sections: Sequence[RollupSections], read: Callable[[int, RollupSections], Rollup]
    ) -> None:
        self._sections, self._read_one = sections, read
        self._lock = threading.Lock()
        self._found: list[Rollup] | None = None

    def read(self) -> list[Rollup]:
        """Return all of them. Raises `Corrupted` or `Unreadable`."""
        with self._lock:
            if self._found is None:
                self._found = [self._read_one(n, one) for n, one in enumerate(self._sections)]
            return self._found


@dataclass(frozen=True, slots=True, eq=False)
class Directories:
    """What reads the directories of one block.

    They refer to this object, which refers to none of them. Such a cycle would hold the file of a
    block until a collection of garbage, after its last reader.

    name           of the block, in the identities of its runs
    identity       of the block, as in its file
    rows, samples  of the block
    grew           called with the bytes that each read adds to what is held of the index
    """

    file: BlockFile
    path: Path
    name: Hashable
    identity: bytes
    rows: int
    samples: int
    cache: PageCache
    grew: Callable[[int], None]

    @property
    def sections(self) -> Sections:
        return Sections(self.file.opened, self.path, self.identity, self.grew)

    def layers(self, description: Description) -> tuple[list[Layer], Rollups]:
        """Return the directories of floats and histograms, and the rollups."""
        directories = self._directories(description.directory, "floats")
        rollups = Rollups(
            description.rollups, partial(self._read_rollup, grid_of=directories["grid_of"])
        )
        native = description.native
        if native is None:
            return [Layer(self._read_run(description, directories, rollups))], rollups
        with_floats = self.sections.numbers(native.float_series, np.uint32, "series with floats")
        with_histograms = self.sections.numbers(native.series, np.uint32, "series with histograms")
        floats = (
            [Layer(self._read_run(description, directories, rollups), with_floats)]
            if len(with_floats)
            else []
        )
        return [*floats, Layer(self._read_native(native), with_histograms)], rollups

    def _read_native(self, native: NativeSections) -> SortedHistogramRun:
        directories = self._directories(native.directory, "histograms")
        return SortedHistogramRun(
            identity=(self.name, "native"),
            **directories,
            times=PagedStream(**self._pages(native.times, NATIVE_TIME_PAGE)),
            values=PagedHistograms(
                **self._pages(native.histograms, NATIVE_PAGE), sets=self._custom_bounds(native)
            ),
            **self._starts(native.starts, NATIVE_START_PAGE, len(directories["grid_of"])),
        )

    def _custom_bounds(self, native: NativeSections) -> tuple[tuple[float, ...], ...]:
        sizes = self.sections.numbers(native.bounds_sizes, np.uint32, "sizes of custom bounds")
        bounds = self.sections.column(native.bounds, np.float64, "custom bounds").tolist()
        ends = np.cumsum(sizes).tolist()
        return tuple(
            tuple(bounds[end - size : end]) for end, size in zip(ends, sizes.tolist(), strict=True)
        )

    def _read_run(
        self, description: Description, directories: dict[str, Any], rollups: Rollups
    ) -> SortedRun:
        grid_of, grid_length = directories["grid_of"], directories["grid_length"]

        def unmarked(series: Ints) -> Bools:
            every = rollups.read()[0]
            cells = every.grids.value_start[series]
            counts = every.statistics["count"].floats(cells, np.ones(len(cells), np.int64))
            known: Bools = counts == grid_length[grid_of[series]]
            return known

        # The statistics of a downsampled block are those of the samples before it was downsampled.
        known = bool(description.rollups) and not description.downsampled_ms
        return SortedRun(
            identity=self.name,
            **directories,
            times=PagedStream(**self._pages(description.times, TIME_PAGE)),
            values=PagedStream(**self._pages(description.values, PAGE)),
            unmarked=unmarked if known else None,
            **self._starts(description.starts, START_PAGE, len(grid_of)),
        )

    def _directories(self, sections: GridSections, what: str) -> dict[str, Any]:
        """Return fields of `RunDirectory`."""
        grids, most = sections.grid_length.count, self.samples
        grid_of = self.sections.pieced(sections.grid_of, np.uint32, f"grids of {what}", grids)
        grid_length = self.sections.pieced(
            sections.grid_length, np.int64, f"lengths of grids of {what}", most + 1
        )

        def of_series(some: slice) -> Ints:
            return grid_length[grid_of[some]]

        return {
            "grid_of": grid_of,
            "grid_length": grid_length,
            "grid_first": self.sections.pieced(
                sections.grid_first, np.int64, f"first times of {what}"
            ),
            "grid_last": self.sections.pieced(
                sections.grid_last, np.int64, f"last times of {what}"
            ),
            "value_start": running(grid_of, of_series, sections.value_bases, most, grew=self.grew),
            "grid_start": running(
                grid_length, grid_length.__getitem__, sections.grid_bases, most, grew=self.grew
            ),
        }

    def _read_rollup(self, number: int, sections: RollupSections, *, grid_of: Pieces) -> Rollup:
        lengths = self.sections.pieced(sections.lengths, np.uint32, "cells of grids")
        times = PagedStream(**self._pages(sections.times, cell_page(number, "times")))
        begins = running(lengths, lambda some: lengths[some], sections.time_bases, grew=self.grew)

        def bound(of_grids: Callable[[Ints, Ints], Ints]) -> Pieces:
            def make(piece: int) -> Ints:
                some = lengths.of_piece(piece)
                at = of_grids(begins[some], lengths[some])
                return times.ints(at, np.ones(len(at), np.int64))

            return Pieces(len(lengths), lengths.each, make, grew=self.grew)

        grids = RunDirectory(
            identity=(self.name, "rollup", number),
            grid_of=grid_of,
            value_start=running(
                grid_of,
                lambda some: lengths[grid_of[some]],
                sections.value_bases,
                grew=self.grew,
            ),
            grid_start=begins,
            grid_length=lengths,
            grid_first=bound(lambda begins, _: begins),
            grid_last=bound(lambda begins, sizes: begins + sizes - 1),
            times=times,
        )

        def stream(name: str, pages: PageSections) -> PagedStream:
            return PagedStream(**self._pages(pages, cell_page(number, name)))

        return Rollup(
            sections.resolution_ms,
            grids,
            Statistics(sections.statistics, stream),
            Statistics(sections.of_grids, stream),
        )

    def _starts(self, starts: StartSections | None, kind: bytes, series: int) -> dict[str, Any]:
        """Return the fields of `RunDirectory` for start timestamps."""
        if starts is None:
            return {}
        started = np.zeros(series, np.bool_)
        started[self.sections.numbers(starts.series, np.uint32, "series with start timestamps")] = (
            True
        )
        return {"starts": PagedStream(**self._pages(starts.pages, kind)), "started": started}

    def _pages(self, pages: PageSections, kind: bytes) -> dict[str, Any]:
        """Return the arguments that `PagedStream` and `PagedHistograms` share."""
        name = kind.decode()
        counts = self.sections.numbers(pages.counts, np.uint32, f"counts of {name} pages")
        lengths = self.sections.numbers(pages.lengths, np.uint32, f"lengths of {name} pages")
        self.grew(3 * counts.nbytes)
        return {
            "file": self.file,
            "path": self.path,
            "identity": self.identity,
            "kind": kind,
            "first": np.append(0, np.cumsum(counts)),
            "offset": pages.offset + np.append(0, np.cumsum(lengths)),
            "checksums": self.sections.numbers(
                pages.checksums, np.uint32, f"checksums of {name} pages"
            ),
            "cache": self.cache,
            "coded": pages.coded,
        }

    def column(self, sections: LabelSections) -> BlockColumn:
        """Return a label, of which texts and codes are read at first use."""
        place = f"label {sections.name!r}"
        texts = sections.texts
        codes, starts = (
            None if one is None else self.sections.pieced(one, np.uint32, place, below, known)
            for one, below, known in (
                (sections.codes, texts.count + 1, np.int32),
                (sections.starts, self.rows + 1, np.int64),
            )
        )

        def read(piece: int) -> TextColumn:
            count = min(texts.each, texts.count - piece * texts.each)
            try:
                return TextColumn(self.sections.piece(texts, piece, place), count)
            except Undecodable as problem:
                raise Corrupted(self.path, place, str(problem)) from problem

        firsts = [text.encode() for text in sections.firsts] or [b""]
        return BlockColumn(
            self.rows,
            codes,
            starts,
            PiecedTexts(texts.count, texts.each, firsts, read, self.grew),
            self.grew,
        )
