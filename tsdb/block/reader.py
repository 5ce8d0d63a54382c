"""A block as a part of the store. Opening reads nothing; directories are read at first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
    read_description,
)
from novaql.tsdb.block.label_columns import BlockColumn, PiecedTexts
from novaql.tsdb.block.paged_histograms import PagedHistograms
from novaql.tsdb.block.paged_stream import PagedStream
from novaql.tsdb.block.pages import PageCache
from novaql.tsdb.block.sections import Sections
from novaql.tsdb.block.statistics import Statistics
from novaql.tsdb.codec.columns import TextColumn, Undecodable
from novaql.tsdb.disk.vfs import Disk, ReadFile
from novaql.tsdb.errors import Corrupted, Unreadable
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.parts.lazy_ints import Pieces, running, whole
from novaql.tsdb.parts.part import Layer, Rollup
from novaql.tsdb.parts.sorted_run import RunDirectory, SortedHistogramRun, SortedRun
from novaql.tsdb.parts.time_index import ActiveRows, SeriesTimeIndex


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """The manifest's description of a block, with which queries skip blocks without opening them.

    name      file name
    identity  32 hexadecimal digits
    sequence  of equal series and times, the sample in the block of higher sequence replaces the
              others
    bytes     size of the file
    level     how many times its samples were merged or rewritten; 0: a flush wrote it
    downsampled_ms  0, or the resolution of the rollups that replaced samples
    """

    name: str
    identity: str
    sequence: int
    first_ms: int
    last_ms: int
    series: int
    samples: int
    bytes: int
    level: int = 0
    downsampled_ms: int = 0


def entry_of(
    name: str, identity: bytes, sequence: int, description: Description, size: int
) -> BlockEntry:
    """Return the entry of a block file from its description."""
    d = description
    return BlockEntry(
        name, identity.hex(), sequence, d.first_ms, d.last_ms, d.series, d.samples, size,
        downsampled_ms=d.downsampled_ms,
    )  # fmt: skip


class Block:
    """A `Part` over a block file, with its own `LabelIndex`."""

    def __init__(self, disk: Disk, folder: Path, entry: BlockEntry, cache: PageCache) -> None:
        self.entry = entry
        self.identity: Hashable = ("block", entry.identity)
        self.origin = self.identity
        self.first_ms, self.last_ms = entry.first_ms, entry.last_ms
        self.downsampled_ms = entry.downsampled_ms
        self.rows = entry.series
        self.path = folder / entry.name
        self._disk, self._cache = disk, cache
        self._id = bytes.fromhex(entry.identity)
        self.cache_names: frozenset[Hashable] = frozenset((self.identity, self._id))
        """One of them is in each key of what is cached of the block."""
        self._read = Sections(self._opened, self.path, self._id)
        self._lock = threading.RLock()
        self._file: ReadFile | None = None
        self._description: Description | None = None
        self._columns: dict[str, BlockColumn] = {}
        self._sections: dict[str, LabelSections] = {}
        self._layers: list[Layer] | None = None
        self._rollups: list[Rollup] | None = None
        self._time_index: SeriesTimeIndex | None = None

    @property
    def has_histograms(self) -> bool:
        """Raises `Corrupted` or `Unreadable`."""
        return self.describe().native is not None

    def index(self) -> Block:
        return self

    @property
    def label_names(self) -> Sequence[str]:
        self.describe()
        return list(self._sections)

    def column(self, name: str) -> BlockColumn | None:
        self.describe()
        sections = self._sections.get(name)
        if sections is None:
            return None
        with self._lock:
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = self._read_column(sections)
            return column

    def layers(self) -> Sequence[Layer]:
        """Return the directories of the floats, and of the histograms if there are any."""
        description = self.describe()
        with self._lock:
            if self._layers is None:
                self._layers = self._read_layers(description)
            return self._layers

    def rollups(self) -> Sequence[Rollup]:
        """See `Part`."""
        description = self.describe()
        with self._lock:
            if self._rollups is None:
                self._rollups = [
                    self._read_rollup(n, one) for n, one in enumerate(description.rollups)
                ]
            return self._rollups

    def active_rows(self, start_ms: int, end_ms: int) -> ActiveRows | None:
        """See `Part`."""
        time_index = self._time_index
        if time_index is None:
            time_index = SeriesTimeIndex(self.first_ms, self.last_ms, self.layers())
            self._time_index = time_index
        return time_index.active_rows(start_ms, end_ms)

    def verify_index(self) -> None:
        """See `Part`."""
        for layer in self.layers():
            run = layer.run
            for directory in (run.value_start, run.grid_start, run.grid_first, run.grid_last):
                whole(directory)
        for name in self.label_names:
            column = self.column(name)
            assert column is not None
            column.verify_index()

    def deleted(self) -> None:
        """Returns None: deletions are in the manifest; see `PartWithTombstones`."""

    def describe(self) -> Description:
        """Return the description. Raises `Corrupted` or `Unreadable`."""
        if self._description is None:
            with self._lock:
                if self._description is None:
                    description = self._read_description()
                    self._sections = {label.name: label for label in description.labels}
                    self._description = description
        return self._description

    def _read_description(self) -> Description:
        file = self._opened()
        try:
            description = read_description(file, self.path, self._id)
        except OSError as problem:
            raise Unreadable(self.path, "description", problem) from problem
        entry = self.entry
        expected = (entry.series, entry.samples, entry.first_ms, entry.last_ms)
        found = description.series, description.samples, description.first_ms, description.last_ms
        if expected != found:
            raise Corrupted(self.path, "description", f"{found}, but the manifest has {expected}")
        return description

    def hold(self) -> None:
        """Open the file, so that it can be read after its name is removed.

        Raises `Corrupted` or `Unreadable`.
        """
        self._opened()

    def _opened(self) -> ReadFile:
        if self._file is None:
            try:
                self._file = self._disk.read(self.path)
            except FileNotFoundError:
                raise Corrupted(self.path, "file", "it is missing") from None
            except OSError as problem:
                raise Unreadable(self.path, "file", problem) from problem
        return self._file

    def _read_layers(self, description: Description) -> list[Layer]:
        native = description.native
        if native is None:
            return [Layer(self._read_run(description))]
        with_floats = self._read.numbers(native.float_series, np.uint32, "series with floats")
        with_histograms = self._read.numbers(native.series, np.uint32, "series with histograms")
        floats = [Layer(self._read_run(description), with_floats)] if len(with_floats) else []
        return [*floats, Layer(self._read_native(native), with_histograms)]

    def _read_native(self, native: NativeSections) -> SortedHistogramRun:
        directories = self._directories(native.directory, "histograms")
        return SortedHistogramRun(
            identity=(self.identity, "native"),
            **directories,
            times=PagedStream(**self._pages(native.times, NATIVE_TIME_PAGE)),
            values=PagedHistograms(
                **self._pages(native.histograms, NATIVE_PAGE), sets=self._custom_bounds(native)
            ),
            **self._starts(native.starts, NATIVE_START_PAGE, len(directories["grid_of"])),
        )

    def _custom_bounds(self, native: NativeSections) -> tuple[tuple[float, ...], ...]:
        sizes = self._read.numbers(native.bounds_sizes, np.uint32, "sizes of custom bounds")
        bounds = self._read.column(native.bounds, np.float64, "custom bounds").tolist()
        ends = np.cumsum(sizes).tolist()
        return tuple(
            tuple(bounds[end - size : end]) for end, size in zip(ends, sizes.tolist(), strict=True)
        )

    def _read_run(self, description: Description) -> SortedRun:
        directories = self._directories(description.directory, "floats")
        grid_of, grid_length = directories["grid_of"], directories["grid_length"]

        def unmarked(series: Ints) -> Bools:
            every = self.rollups()[0]
            cells = every.grids.value_start[series]
            counts = every.statistics["count"].floats(cells, np.ones(len(cells), np.int64))
            known: Bools = counts == grid_length[grid_of[series]]
            return known

        # The statistics of a downsampled block are those of the samples before it was downsampled.
        known = bool(description.rollups) and not description.downsampled_ms
        return SortedRun(
            identity=self.identity,
            **directories,
            times=PagedStream(**self._pages(description.times, TIME_PAGE)),
            values=PagedStream(**self._pages(description.values, PAGE)),
            unmarked=unmarked if known else None,
            **self._starts(description.starts, START_PAGE, len(grid_of)),
        )

    def _directories(self, sections: GridSections, what: str) -> dict[str, Any]:
        """Return fields of `RunDirectory`."""
        grids, most = sections.grid_length.count, self.entry.samples
        grid_of = self._read.pieced(sections.grid_of, np.uint32, f"grids of {what}", grids)
        grid_length = self._read.pieced(
            sections.grid_length, np.int64, f"lengths of grids of {what}", most + 1
        )

        def of_series(some: slice) -> Ints:
            return grid_length[grid_of[some]]

        return {
            "grid_of": grid_of,
            "grid_length": grid_length,
            "grid_first": self._read.pieced(
                sections.grid_first, np.int64, f"first times of {what}"
            ),
            "grid_last": self._read.pieced(sections.grid_last, np.int64, f"last times of {what}"),
            "value_start": running(grid_of, of_series, sections.value_bases, most),
            "grid_start": running(grid_length, grid_length.__getitem__, sections.grid_bases, most),
        }

    def _read_rollup(self, number: int, sections: RollupSections) -> Rollup:
        lengths = self._read.pieced(sections.lengths, np.uint32, "cells of grids")
        times = PagedStream(**self._pages(sections.times, cell_page(number, "times")))
        begins = running(lengths, lambda some: lengths[some], sections.time_bases)
        grid_of = self.layers()[0].run.grid_of
        assert isinstance(grid_of, Pieces)

        def bound(of_grids: Callable[[Ints, Ints], Ints]) -> Pieces:
            def make(piece: int) -> Ints:
                some = lengths.of_piece(piece)
                at = of_grids(begins[some], lengths[some])
                return times.ints(at, np.ones(len(at), np.int64))

            return Pieces(len(lengths), lengths.each, make)

        grids = RunDirectory(
            identity=(self.identity, "rollup", number),
            grid_of=grid_of,
            value_start=running(grid_of, lambda some: lengths[grid_of[some]], sections.value_bases),
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
        started[self._read.numbers(starts.series, np.uint32, "series with start timestamps")] = True
        return {"starts": PagedStream(**self._pages(starts.pages, kind)), "started": started}

    def _pages(self, pages: PageSections, kind: bytes) -> dict[str, Any]:
        """Return the arguments that `PagedStream` and `PagedHistograms` share."""
        name = kind.decode()
        counts = self._read.numbers(pages.counts, np.uint32, f"counts of {name} pages")
        lengths = self._read.numbers(pages.lengths, np.uint32, f"lengths of {name} pages")
        return {
            "file": self._opened(),
            "path": self.path,
            "identity": self._id,
            "kind": kind,
            "first": np.append(0, np.cumsum(counts)),
            "offset": pages.offset + np.append(0, np.cumsum(lengths)),
            "checksums": self._read.numbers(
                pages.checksums, np.uint32, f"checksums of {name} pages"
            ),
            "cache": self._cache,
            "coded": pages.coded,
        }

    def _read_column(self, sections: LabelSections) -> BlockColumn:
        place = f"label {sections.name!r}"
        texts = sections.texts
        codes, starts = (
            None if one is None else self._read.pieced(one, np.uint32, place, below, known)
            for one, below, known in (
                (sections.codes, texts.count + 1, np.int32),
                (sections.starts, self.rows + 1, np.int64),
            )
        )

        def read(piece: int) -> TextColumn:
            count = min(texts.each, texts.count - piece * texts.each)
            try:
                return TextColumn(self._read.piece(texts, piece, place), count)
            except Undecodable as problem:
                raise Corrupted(self.path, place, str(problem)) from problem

        firsts = [text.encode() for text in sections.firsts] or [b""]
        return BlockColumn(
            self.rows, codes, starts, PiecedTexts(texts.count, texts.each, firsts, read)
        )

    def close(self) -> None:
        """Close the file. The caller ensures that no selection reads it any more."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._layers = self._rollups = self._time_index = None
