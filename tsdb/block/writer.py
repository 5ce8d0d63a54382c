"""Writes a block under a temporary name, syncs it, and renames it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from itertools import starmap
from pathlib import Path

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.contents import (
    HISTOGRAM_PAGES,
    Column,
    Content,
    Kind,
    page_counts,
    read_together,
)
from novaql.tsdb.block.downsample import cells_of, downsampled
from novaql.tsdb.block.encode_streams import PORTION_VALUES, gathered
from novaql.tsdb.block.format import (
    HEADER_BYTES,
    NATIVE_PAGE,
    NATIVE_START_PAGE,
    NATIVE_TIME_PAGE,
    PAGE,
    PIECES_FORMAT,
    START_PAGE,
    TIME_PAGE,
    Description,
    NativeSections,
    PageSections,
    RollupSections,
    StartSections,
    cell_page,
    encode_description,
    encode_header,
)
from novaql.tsdb.block.page_layout import cut_pages, rows_of_pages
from novaql.tsdb.block.reader import BlockEntry, entry_of
from novaql.tsdb.block.section_writer import SectionWriter, bases
from novaql.tsdb.block.summarise import WHOLE, Cells, Summing
from novaql.tsdb.codec.columns import FLUSH_LEVEL, encode_numbers
from novaql.tsdb.codec.histogram_columns import encode_page
from novaql.tsdb.codec.pages import encode_times, encode_values
from novaql.tsdb.codec.starts import encode_starts
from novaql.tsdb.disk.checksum import checksum
from novaql.tsdb.disk.vfs import AppendFile, Disk, new_file
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import ArrayStream, SortedHistogramRun, SortedRun

PAGE_STARTS = 1 << 16
"""Start timestamps of this many samples are one page: they need few bytes and decode fast."""

PAGE_CELLS = 1 << 15
"""Cells of a rollup in one page."""

TEMPORARY_SUFFIX = ".writing"


def write_block(
    disk: Disk,
    path: Path,
    content: Content,
    *,
    sequence: int,
    level: int = FLUSH_LEVEL,
    rollups_ms: Sequence[int] = (),
    downsampled_ms: int = 0,
    between_pages: Callable[[], None] | None = None,
) -> BlockEntry:
    """Write a block, which appears at `path` completely or not at all. Returns its entry for the
    manifest.

    rollups_ms: resolutions of its rollups, beside the statistics of whole series. downsampled_ms:
    0, or one of these resolutions: only the last sample of each cell is written. between_pages:
    called between pages; an exception from it ends the writing.

    Raises `OSError`, and the errors of reading the content; there is then no file at `path`.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    identity = secrets.token_bytes(16)
    with new_file(disk, temporary) as file:
        description = _Writer(
            file, identity, content, level, rollups_ms, downsampled_ms, between_pages
        ).write()
    disk.rename(temporary, path)
    disk.fsync_dir(path.parent)
    return entry_of(path.name, identity, sequence, description, file.size)


class _Writer:
    def __init__(
        self,
        file: AppendFile,
        identity: bytes,
        content: Content,
        level: int,
        rollups_ms: Sequence[int],
        downsampled_ms: int,
        between_pages: Callable[[], None] | None,
    ) -> None:
        self._downsampled_ms = downsampled_ms
        self._resolutions = (WHOLE, *sorted(set(rollups_ms), reverse=True))
        self._file, self._identity, self._content, self._level = file, identity, content, level
        self._sections = SectionWriter(file, identity)
        self._between_pages = between_pages or (lambda: None)

    def write(self) -> Description:
        """Write header, pages, directories and description, in this order.

        The description comes last since it has offsets and checksums of everything before it, so
        the file is written front to back, without a seek.
        """
        content = self._content
        self._file.append([encode_header(self._identity, PIECES_FORMAT)])
        assert self._file.size == HEADER_BYTES
        floats, native_column = content.floats or _no_floats(), content.native
        summed = self._cells(floats)
        summing = [one.values for one in summed]
        # Downsampling reads all samples once for the rollups, before they are reduced; otherwise
        # the rollups are computed from the pages of values while these are written.
        if self._downsampled_ms:
            if summed:
                self._sum_up(floats, summing)
                left = (s.cells for s in summed if s.resolution_ms == self._downsampled_ms)
                floats = downsampled(floats, next(left))
            if native_column is not None:
                native_column = downsampled(
                    native_column, cells_of(native_column, self._downsampled_ms)
                )
            summing = []
        times = self._times(TIME_PAGE, floats)
        values = self._values(floats, summing)
        rollups = [self._rollup(number, one, floats) for number, one in enumerate(summed)]
        starts = self._starts(START_PAGE, floats)
        natives = None if native_column is None else self._histograms(native_column)
        first, last = _grid_bounds(floats)
        # Directories follow the pages: they are small, and read whole or in pieces at first use.
        directory = self._sections.grids(floats.grid_of, floats.grid_length, first, last)
        native = None
        if native_column is not None and natives is not None:
            native = self._native(floats, native_column, natives)
            bounds = _grid_bounds(native_column)
            first, last = np.append(first, bounds[0]), np.append(last, bounds[1])
        description = Description(
            series=content.table.rows,
            samples=int(floats.lengths.sum()) + (0 if native is None else native.samples),
            first_ms=int(first.min()),
            last_ms=int(last.max()),
            grids=len(floats.grid_length),
            directory=directory,
            times=times,
            values=values,
            labels=tuple(starmap(self._sections.label, content.table.columns.items())),
            native=native,
            starts=starts,
            rollups=tuple(rollups),
            downsampled_ms=self._downsampled_ms,
        )
        self._file.append([encode_description(self._identity, description, self._file.size)])
        return description

    def _times(self, kind: bytes, column: Column[Kind]) -> PageSections:
        lengths = column.grid_length
        rows = rows_of_pages(page_counts(lengths, np.empty(0, np.int64)), lengths)
        pages = gathered(column.run.times.ints, rows.counts, column.grid_start, lengths)
        encoded = (
            encode_times(page.view(np.int64), rows.of_page(number), self._level)
            for number, page in enumerate(pages)
        )
        return self._written(kind, rows.counts, encoded, coded=True)

    def _cells(self, column: Column[SortedRun]) -> list[_Summed]:
        """Return the cells of the floats to summarise while they are written."""
        if len(column.rows) == 0:
            return []
        summed = []
        for resolution in self._resolutions:
            if resolution == WHOLE:
                first, last = _grid_bounds(column)
                cells = Cells(np.ones(len(last), np.int64), column.grid_length, first, last)
            else:
                cells = cells_of(column, resolution)
            summing = Summing(cells.of_series(column.grid_of), exact=self._exact)
            summed.append(_Summed(resolution, cells, summing))
        return summed

    @property
    def _exact(self) -> bool:
        """Whether to write `EXACT` statistics. A flush does not: its blocks are soon merged."""
        return self._level > FLUSH_LEVEL

    def _sum_up(self, column: Column[SortedRun], summing: Sequence[Summing]) -> None:
        """Summarise all values, without writing them."""
        total = int(column.lengths.sum())
        counts = np.diff(np.append(np.arange(0, total, PORTION_VALUES), total))
        read = column.run.values.floats
        for page in gathered(read, counts, column.value_start, column.lengths):
            self._between_pages()
            _taken(page.view(np.float64), summing)

    def _rollup(self, number: int, summed: _Summed, floats: Column[SortedRun]) -> RollupSections:
        cells, found = summed.cells, summed.values.done()
        of_grids = {"firsts": cells.first, "sizes": cells.size} if self._exact else {}
        return RollupSections(
            summed.resolution_ms,
            self._sections.pieces(cells.length.astype(np.uint32)),
            bases(cells.length),
            bases(cells.length[floats.grid_of]),
            self._cell_pages(cell_page(number, "times"), cells.last),
            {n: self._cell_pages(cell_page(number, n), found[n]) for n in summed.values.names},
            {n: self._cell_pages(cell_page(number, n), of_grids[n]) for n in of_grids},
        )

    def _cell_pages(self, kind: bytes, numbers: Ints | Floats) -> PageSections:
        pages = [numbers[at : at + PAGE_CELLS] for at in range(0, len(numbers), PAGE_CELLS)]
        counts = np.array([len(page) for page in pages], np.int64)
        return self._written(kind, counts, (encode_numbers(page, 8) for page in pages))

    def _values(self, column: Column[SortedRun], summing: Sequence[Summing]) -> PageSections:
        lengths, follows = column.lengths, self._content.follows[column.rows]
        breaks = read_together(self._content.table, column)
        follows[breaks] = False
        follows[1:] &= np.diff(column.rows) == 1
        rows = cut_pages(lengths, follows, breaks)
        read = column.run.values.floats
        found = gathered(read, rows.counts, column.value_start, lengths)
        pages = (_taken(page.view(np.float64), summing) for page in found)
        encoded = (
            encode_values(
                page,
                rows.of_page(number),
                follows[rows.series_of_page(number)],
                self._level,
            )
            for number, page in enumerate(pages)
        )
        return self._written(PAGE, rows.counts, encoded, coded=True)

    def _histograms(self, column: Column[SortedHistogramRun]) -> _WrittenHistograms:
        held = column.run.values.histograms(column.value_start, column.lengths).tidy()
        breaks = read_together(self._content.table, column)
        counts = page_counts(column.lengths, breaks, **HISTOGRAM_PAGES)
        ends = np.cumsum(counts)
        times = self._times(NATIVE_TIME_PAGE, column)
        encoded = (
            encode_page(held.take(np.arange(end - count, end)), self._level)
            for end, count in zip(ends.tolist(), counts.tolist(), strict=True)
        )
        pages = self._written(NATIVE_PAGE, counts, encoded)
        return _WrittenHistograms(held, times, pages, self._starts(NATIVE_START_PAGE, column))

    def _starts(self, kind: bytes, column: Column[Kind]) -> StartSections | None:
        """Returns None if no sample has a start timestamp."""
        stream, lengths = column.run.starts, column.lengths
        if stream is None or len(lengths) == 0:
            return None
        total = int(lengths.sum())
        counts = np.diff(np.append(np.arange(0, total, PAGE_STARTS), total))
        rows = rows_of_pages(counts, lengths)
        started = np.zeros(len(lengths), np.bool_)
        encoded: list[bytes] = []
        for page in gathered(stream.ints, counts, column.value_start, lengths):
            sizes = rows.of_page(len(encoded))
            known = np.logical_or.reduceat(page != 0, np.cumsum(sizes) - sizes)
            started[rows.series_of_page(len(encoded))[known]] = True
            encoded.append(encode_starts(page.view(np.int64), self._level))
        if not started.any():
            return None
        series = self._sections.numbers(np.flatnonzero(started).astype(np.uint32))
        return StartSections(series, self._written(kind, counts, iter(encoded)))

    def _native(
        self,
        floats: Column[SortedRun],
        column: Column[SortedHistogramRun],
        written: _WrittenHistograms,
    ) -> NativeSections:
        first, last = _grid_bounds(column)
        sets = written.held.custom_bounds
        return NativeSections(
            float_series=self._sections.numbers(floats.rows.astype(np.uint32)),
            series=self._sections.numbers(column.rows.astype(np.uint32)),
            samples=len(written.held),
            grids=len(column.grid_length),
            directory=self._sections.grids(column.grid_of, column.grid_length, first, last),
            times=written.times,
            histograms=written.pages,
            bounds_sizes=self._sections.numbers(np.array([len(b) for b in sets], np.uint32)),
            bounds=self._sections.numbers(np.array([x for b in sets for x in b], np.float64)),
            starts=written.starts,
        )

    def _written(
        self, kind: bytes, counts: Ints, pages: Iterator[bytes], *, coded: bool = False
    ) -> PageSections:
        begin = self._file.size
        sizes: list[int] = []
        checksums: list[int] = []
        for data in pages:
            self._between_pages()
            checksums.append(checksum(self._identity, kind, len(sizes), data))
            sizes.append(len(data))
            self._file.append([data])
        return PageSections(
            begin,
            self._sections.numbers(counts.astype(np.uint32)),
            self._sections.numbers(np.array(sizes, np.uint32)),
            self._sections.numbers(np.array(checksums, np.uint32)),
            coded,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _WrittenHistograms:
    held: Histograms
    times: PageSections
    pages: PageSections
    starts: StartSections | None


@dataclass(frozen=True, slots=True, eq=False)
class _Summed:
    resolution_ms: int
    cells: Cells
    values: Summing


def _taken(page: Floats, summing: Sequence[Summing]) -> Floats:
    for one in summing:
        one.take(page)
    return page


def _no_floats() -> Column[SortedRun]:
    none = np.empty(0, np.int64)
    stream = ArrayStream(none)
    run = SortedRun((), none, none, none, none, none, none, stream, ArrayStream(np.empty(0)))
    return Column(run, none, none, none, none, none)


def _grid_bounds(column: Column[Kind]) -> tuple[Ints, Ints]:
    starts, ends = column.grid_start, column.grid_start + column.grid_length
    one = np.ones(len(starts), np.int64)
    times = column.run.times
    return times.ints(starts, one), times.ints(ends - 1, one)
