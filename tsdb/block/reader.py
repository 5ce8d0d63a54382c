"""A block as a part of the store. Opening costs nothing; directories are read at first use."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdb.block.format import (
    NATIVE_PAGE,
    NATIVE_START_PAGE,
    NATIVE_TIME_PAGE,
    PAGE,
    SECTION,
    START_PAGE,
    TIME_PAGE,
    Description,
    LabelSections,
    NativeSections,
    PageSections,
    RollupSections,
    Section,
    StartSections,
    cell_page,
    read_description,
)
from tsdb.block.pages import PageCache, PagedHistograms, PagedStream
from tsdb.codec.checksum import checksum
from tsdb.codec.columns import TextColumn, Undecodable, decode_numbers
from tsdb.errors import Corrupted, Unreadable
from tsdb.fsio import Disk, ReadFile
from tsdb.index.match import IndexedColumn
from tsdb.index.postings import Postings
from tsdb.labels import Codes, Ints
from tsdb.part import Layer, Rollup
from tsdb.stratum import Grids, NativeStratum, Stratum

POSTINGS_FROM_ROWS = 4096
"""Below this a scan of the codes is as quick as postings."""


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """What the manifest says of a block, enough to leave it unopened when it is not needed.

    name      file name
    identity  32 hexadecimal digits
    sequence  of equal series and times, the sample in the block of higher sequence counts
    bytes     size of the file
    level     how many times its samples were merged or packed anew; 0: as a flush wrote it
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


class BlockColumn:
    """`IndexedColumn` of a block. Texts are sorted by bytes, so they are found by bisection."""

    def __init__(self, codes: Codes, texts: TextColumn) -> None:
        self.codes = codes
        self.distinct = len(texts) + 1
        self._texts = texts
        self._postings: Postings | None = None
        self._sorted = bool((codes[1:] >= codes[:-1]).all())

    def find(self, text: str) -> int:
        if not text:
            return 0
        wanted = text.encode(errors="surrogatepass")
        place = self._texts.bisect(wanted)
        there = place < len(self._texts) and self._texts.raw(place) == wanted
        return place + 1 if there else -1

    def texts(self, codes: Ints) -> list[str]:
        some = self._texts
        if 4 * len(codes) > self.distinct:
            every = ["", *some.all()]
            return [every[code] for code in codes.tolist()]
        return [some[code - 1] if code else "" for code in codes.tolist()]

    def beginning_with(self, prefix: str) -> Ints:
        wanted = prefix.encode(errors="surrogatepass")
        low = self._texts.bisect(wanted)
        high = low
        # Texts that begin with the prefix stand together; gallop, then bisect to their end.
        count, step = len(self._texts), 1
        while high < count and self._texts.raw(high).startswith(wanted):
            high, step = min(count, high + step), step * 2
        inside = low
        while inside < high:
            middle = (inside + high) // 2
            if self._texts.raw(middle).startswith(wanted):
                inside = middle + 1
            else:
                high = middle
        return np.arange(low + 1, high + 1)

    def rows_of(self, code: int) -> Ints:
        if self._sorted:
            return np.arange(
                np.searchsorted(self.codes, code), np.searchsorted(self.codes, code, side="right")
            )
        if len(self.codes) < POSTINGS_FROM_ROWS:
            return np.flatnonzero(self.codes == code)
        if self._postings is None:
            self._postings = Postings.build(self.codes, self.distinct)
        return self._postings.rows_of(code)


class Block:
    """`Part` over a block file, and its own `LabelIndex`."""

    def __init__(self, disk: Disk, folder: Path, entry: BlockEntry, cache: PageCache) -> None:
        self.entry = entry
        self.path = folder / entry.name
        self._disk, self._cache = disk, cache
        self._id = bytes.fromhex(entry.identity)
        self._lock = threading.RLock()
        self._file: ReadFile | None = None
        self._description: Description | None = None
        self._columns: dict[str, BlockColumn] = {}
        self._sections: dict[str, LabelSections] = {}
        self._layers: list[Layer] | None = None
        self._rollups: list[Rollup] | None = None

    @property
    def identity(self) -> Hashable:
        return ("block", self.entry.identity)

    @property
    def first_ms(self) -> int:
        return self.entry.first_ms

    @property
    def last_ms(self) -> int:
        return self.entry.last_ms

    @property
    def rows(self) -> int:
        return self.entry.series

    @property
    def has_histograms(self) -> bool:
        """Raises what `describe` does."""
        return self.describe().native is not None

    def index(self) -> Block:
        return self

    @property
    def label_names(self) -> Sequence[str]:
        self.describe()
        return list(self._sections)

    def column(self, name: str) -> IndexedColumn | None:
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
        """Directories of the samples: of the floats, and of the histograms if there are any."""
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

    def deleted(self) -> None:
        """What was deleted stands in the manifest, not here; see `part.Without`."""

    def describe(self) -> Description:
        """The description. Raises `Corrupted` or `Unreadable`."""
        if self._description is None:
            with self._lock:
                if self._description is None:
                    description = self._read_description()
                    self._check(description)
                    self._sections = {label.name: label for label in description.labels}
                    self._description = description
        return self._description

    def _read_description(self) -> Description:
        file = self._opened()
        try:
            return read_description(file, self.path, self._id)
        except OSError as problem:
            raise Unreadable(self.path, "description", problem) from problem

    def _check(self, description: Description) -> None:
        entry = self.entry
        said = (entry.series, entry.samples, entry.first_ms, entry.last_ms)
        found = (
            description.series, description.samples, description.first_ms, description.last_ms
        )  # fmt: skip
        if said != found:
            raise Corrupted(self.path, "description", f"{found}, but the manifest says {said}")

    def hold(self) -> None:
        """Open the file, so that it can be read even if its name goes away.

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
            return [Layer(self._read_stratum(description))]
        with_floats = self._numbers(native.float_series, np.uint32, "series with floats")
        with_histograms = self._numbers(native.series, np.uint32, "series with histograms")
        floats = [Layer(self._read_stratum(description), with_floats)] if len(with_floats) else []
        return [*floats, Layer(self._read_native(native), with_histograms)]

    def _read_native(self, native: NativeSections) -> NativeStratum:
        grid_of = self._numbers(native.grid_of, np.uint32, "grid of histograms")
        grid_length = self._numbers(native.grid_length, np.int64, "grid lengths of histograms")
        lengths = grid_length[grid_of]
        return NativeStratum(
            identity=(self.identity, "native"),
            grid_of=grid_of,
            value_start=np.cumsum(lengths) - lengths,
            grid_start=np.cumsum(grid_length) - grid_length,
            grid_length=grid_length,
            grid_first=self._numbers(native.grid_first, np.int64, "first times of histograms"),
            grid_last=self._numbers(native.grid_last, np.int64, "last times of histograms"),
            times=PagedStream(**self._pages(native.times, NATIVE_TIME_PAGE)),
            values=PagedHistograms(
                **self._pages(native.histograms, NATIVE_PAGE), sets=self._custom_bounds(native)
            ),
            **self._starts(native.starts, NATIVE_START_PAGE, len(grid_of)),
        )

    def _custom_bounds(self, native: NativeSections) -> tuple[tuple[float, ...], ...]:
        sizes = self._numbers(native.bounds_sizes, np.uint32, "sizes of custom bounds")
        bounds = self._column(native.bounds, np.float64, "custom bounds").tolist()
        ends = np.cumsum(sizes).tolist()
        return tuple(
            tuple(bounds[end - size : end]) for end, size in zip(ends, sizes.tolist(), strict=True)
        )

    def _read_stratum(self, description: Description) -> Stratum:
        grid_of = self._numbers(description.grid_of, np.uint32, "grid of series")
        grid_length = self._numbers(description.grid_length, np.int64, "grid lengths")
        lengths = grid_length[grid_of]
        return Stratum(
            identity=self.identity,
            grid_of=grid_of,
            value_start=np.cumsum(lengths) - lengths,
            grid_start=np.cumsum(grid_length) - grid_length,
            grid_length=grid_length,
            grid_first=self._numbers(description.grid_first, np.int64, "first times"),
            grid_last=self._numbers(description.grid_last, np.int64, "last times"),
            times=PagedStream(**self._pages(description.times, TIME_PAGE)),
            values=PagedStream(**self._pages(description.values, PAGE)),
            **self._starts(description.starts, START_PAGE, len(grid_of)),
        )

    def _read_rollup(self, number: int, sections: RollupSections) -> Rollup:
        layer = self.layers()[0]
        lengths = self._numbers(sections.lengths, np.uint32, "cells of grids")
        times = PagedStream(**self._pages(sections.times, cell_page(number, "times")))
        begins = np.cumsum(lengths) - lengths
        one = np.ones(len(lengths), np.int64)
        grid_of = layer.stratum.grid_of
        of_series = lengths[grid_of]
        grids = Grids(
            identity=(self.identity, "rollup", number),
            grid_of=grid_of,
            value_start=np.cumsum(of_series) - of_series,
            grid_start=begins,
            grid_length=lengths,
            grid_first=times.ints(begins, one),
            grid_last=times.ints(begins + lengths - 1, one),
            times=times,
        )
        statistics = {
            name: PagedStream(**self._pages(pages, cell_page(number, name)))
            for name, pages in sections.statistics.items()
        }
        return Rollup(sections.resolution_ms, grids, statistics)

    def _starts(self, starts: StartSections | None, kind: bytes, series: int) -> dict[str, Any]:
        """The two fields of `Grids` that speak of start timestamps."""
        if starts is None:
            return {}
        started = np.zeros(series, np.bool_)
        started[self._numbers(starts.series, np.uint32, "series with start timestamps")] = True
        return {"starts": PagedStream(**self._pages(starts.pages, kind)), "started": started}

    def _pages(self, pages: PageSections, kind: bytes) -> dict[str, Any]:
        """What `PagedStream` and `PagedHistograms` have in common."""
        name = kind.decode()
        counts = self._numbers(pages.counts, np.uint32, f"counts of {name} pages")
        lengths = self._numbers(pages.lengths, np.uint32, f"lengths of {name} pages")
        return {
            "file": self._opened(),
            "path": self.path,
            "identity": self._id,
            "kind": kind,
            "first": np.append(0, np.cumsum(counts)),
            "offset": pages.offset + np.append(0, np.cumsum(lengths)),
            "checksums": self._numbers(pages.checksums, np.uint32, f"checksums of {name} pages"),
            "cache": self._cache,
            "coded": pages.coded,
        }

    def _read_column(self, sections: LabelSections) -> BlockColumn:
        place = f"label {sections.name!r}"
        codes = self._numbers(sections.codes, np.uint32, place).astype(np.int32)
        try:
            texts = TextColumn(self._section(sections.texts, place), sections.texts.count)
        except Undecodable as problem:
            raise Corrupted(self.path, place, str(problem)) from problem
        return BlockColumn(codes, texts)

    def _numbers(self, section: Section, dtype: type[np.generic], place: str) -> Ints:
        return self._column(section, dtype, place).astype(np.int64, copy=False)

    def _column(self, section: Section, dtype: type[np.generic], place: str) -> NDArray[np.generic]:
        try:
            return decode_numbers(self._section(section, place), dtype, section.count)
        except Undecodable as problem:
            raise Corrupted(self.path, place, str(problem)) from problem

    def _section(self, section: Section, place: str) -> bytes:
        try:
            data = self._opened().pread(section.offset, section.length)
        except OSError as problem:
            raise Unreadable(self.path, place, problem) from problem
        if checksum(self._id, SECTION, section.offset, data) != section.checksum:
            raise Corrupted(self.path, place, "checksum differs")
        return data

    def close(self) -> None:
        """Let the file go. Only when no selection uses the block any more."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._layers = None
            self._rollups = None
