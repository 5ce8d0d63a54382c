"""Reads rollups: cells in place of samples where windows contain whole cells.

The cells of a block replace its samples if no edge of a window divides a cell, if nothing of the
block was deleted, and if no other part of the store has samples of its time. In a downsampled block
they always do, since only the last sample of each cell is left: a deletion removes every cell that
it touches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import cached_property

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.summarise import STATISTICS, WHOLE, Summing
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.flat_arrays import flat_positions, portions
from novaql.tsdb.model.labels import Bools, Ints, Numbers, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors, note_or_raise
from novaql.tsdb.model.rollup_columns import CellColumns
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.model.source import RangeWindows, Selection
from novaql.tsdb.parts.merge_series import Union, united
from novaql.tsdb.parts.part import Part, Rollup
from novaql.tsdb.parts.part_list import PartList
from novaql.tsdb.parts.ranges import RangeSlice, cut_ranges, of_rows
from novaql.tsdb.parts.sorted_run import SortedHistogramRun
from novaql.tsdb.read.cells_as_samples import with_cells
from novaql.tsdb.read.histogram_batches import plan_mixed
from novaql.tsdb.read.planner import Caches, pieces_of

WORTH_SAMPLES = 32
"""Cells of fewer samples than this cost more than they save. They are read only on request."""
MOST_OTHERS = 4
"""Cells cost more than they save, too, if more than one sample in this many is read beside them."""
PORTION_CELLS = 1 << 17
"""Number of cells in memory at a time, and …"""
PORTION_SAMPLES = 1 << 20
"""… number of samples beside them."""


@dataclass(frozen=True, slots=True, eq=False)
class CellRequest:
    """The cells to read.

    span     first and last time of their samples
    cell_of  times → numbers that are equal for samples that may be summarised together
    names    statistics to read beside the count
    labels   see `Hints`
    timed    read `CellColumns.first_ms` and `timed`, which have no meaning otherwise
    """

    matchers: Sequence[Matcher]
    span: tuple[int, int]
    cell_of: Callable[[Ints], Ints]
    names: Sequence[str]
    labels: frozenset[str] | None = None
    timed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _RolledUpPart:
    """A part of which cells are read.

    places      its series among those of the run
    index_rows  row of each series in the index of the part
    rows        row of each series in the table of all parts
    """

    part: Part
    rollup: Rollup
    places: Ints
    index_rows: Ints
    rows: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Cells of some rows, in any order. The fields are those of `CellColumns`."""

    rows: Ints
    first_ms: Ints
    last_ms: Ints
    timed: Bools
    statistics: Sequence[Floats]


def plan_cells(
    listed: PartList[Part],
    matchers: Sequence[Matcher],
    windows: RangeWindows,
    caches: Caches,
    read_errors: ReadErrors | None,
    labels: frozenset[str] | None = None,
) -> PartCells | None:
    """See `Selection.cells`; None if cells are no less work than samples, or are damaged."""
    if len(windows.ends_ms) == 0:
        return None
    first, last = int(windows.ends_ms[0]) - windows.reach_ms + 1, int(windows.ends_ms[-1])
    parts = listed.overlapping(first, last)
    names, timed = {"count", *windows.names}, windows.timed
    rollups_of = [offered(part, parts, read_errors) for part in parts]
    try:
        if not any(rollups_of):  # heads have none
            return None
        edges = windows.edges_ms()
        rollups = [
            _usable(part, some, edges, names, timed=timed)
            for part, some in zip(parts, rollups_of, strict=True)
        ]
        if not any(rollups):
            return None
        request = CellRequest(
            matchers,
            (first, last),
            lambda times: np.searchsorted(edges, times),
            windows.names,
            labels,
            timed,
        )
        found = PartCells(parts, rollups, request, caches, read_errors)
        required = windows.required or any(part.downsampled_ms for part in parts)
        wanted = found.is_sound and (found.is_worth_it(windows) or required)
    except DAMAGE as problem:
        if any(part.downsampled_ms for part in parts):  # a read of its samples would not notice
            note_or_raise(problem, read_errors)
        return None
    return found if wanted else None


def offered(part: Part, parts: Sequence[Part], read_errors: ReadErrors | None) -> Sequence[Rollup]:
    """Return the rollups of a part that may replace its samples, the coarsest first; none if they
    are damaged, which is noted, or raised, if the samples are no longer there."""
    try:
        alone = is_alone(part, parts) and part.deleted() is None
        if not (alone or part.downsampled_ms):
            return ()
        rollups = part.rollups()
    except DAMAGE as problem:
        if part.downsampled_ms:
            note_or_raise(problem, read_errors)
        return ()
    if not alone:  # a deletion removes whole cells, and late samples are between cells
        rollups = [one for one in rollups if one.resolution_ms == part.downsampled_ms]
    return rollups


def _usable(
    part: Part, rollups: Sequence[Rollup], edges: Ints, names: Set[str], *, timed: bool
) -> Rollup | None:
    """Return the coarsest rollup that has the statistics, and of which no edge divides a cell."""
    low, high = np.searchsorted(edges, [part.first_ms - part.downsampled_ms, part.last_ms])
    inside = edges[low:high]
    for rollup in rollups:
        if not rollup.statistics.keys() >= names or (timed and not rollup.of_grids):
            continue  # rollups that a flush writes lack some
        if rollup.resolution_ms == WHOLE:
            if len(inside) == 0:
                return rollup
        elif (
            not (inside % rollup.resolution_ms).any() or rollup.resolution_ms == part.downsampled_ms
        ):
            return rollup
    return None


def is_alone(part: Part, parts: Sequence[Part]) -> bool:
    """Return whether no other part may have samples in the time range of this one."""
    return not any(
        other is not part and other.first_ms <= part.last_ms and part.first_ms <= other.last_ms
        for other in parts
    )


class PartCells:
    """A `CellSource` over parts: cells of those with a usable rollup, samples of the others.

    is_sound      False: the series have native histograms, for which cells have no statistics
    from_rollups  number of cells that `columns` has read from rollups
    """

    def __init__(
        self,
        parts: Sequence[Part],
        rollups: Sequence[Rollup | None],
        request: CellRequest,
        caches: Caches,
        read_errors: ReadErrors | None,
    ) -> None:
        """rollups: the usable rollup of each part; None: its samples are read."""
        self._parts, self._span, self._cell_of = parts, request.span, request.cell_of
        self._names = ("count", *(name for name in request.names if name != "count"))
        self._caches, self._read_errors, self._timed = caches, read_errors, request.timed
        self._union: Union = united(
            parts, request.matchers, caches.unions, caches.keys, labels=request.labels
        )
        self.is_sound = True
        self.from_rollups = 0
        self._rolled_up: list[_RolledUpPart] = []
        self._others: list[int] = []
        for number, (part, rollup) in enumerate(zip(parts, rollups, strict=True)):
            index_rows, rows = self._union.found[number]
            layers = part.layers()
            at, series = layers[0].locate(index_rows)
            found = [layer.run for layer in layers if len(layer.locate(index_rows)[0])]
            native = any(isinstance(run, SortedHistogramRun) for run in found)
            self.is_sound = self.is_sound and not native
            if native or any(run is not layers[0].run for run in found):
                rollup = None
            if rollup is None:
                self._others.append(number)
            else:
                self._rolled_up.append(
                    _RolledUpPart(part, rollup, series, index_rows[at], rows[at])
                )
        spans = [(one.part.first_ms, one.part.last_ms) for one in self._rolled_up]
        self._bounds = np.unique(np.array([(a, b + 1) for a, b in spans], np.int64))
        self._late = [
            (ms, a - ms, b + 1)
            for one, (a, b) in zip(self._rolled_up, spans, strict=True)
            if one.part.downsampled_ms and (ms := one.rollup.resolution_ms) != WHOLE
        ]

    @property
    def series(self) -> SeriesTable:
        """Series of all parts; some may have no sample in the range."""
        return self._union.table

    @cached_property
    def _sizes(self) -> tuple[Ints, Ints, Ints]:
        """[S] each: number of cells, of samples that these replace, and of other samples."""
        cells, covered, others = (np.zeros(self.series.rows, np.int64) for _ in range(3))
        for one in self._rolled_up:
            grids = one.rollup.grids
            cells[one.rows] += grids.grid_length[grids.grid_of[one.places]]
            run = one.part.layers()[0].run
            covered[one.rows] += run.grid_length[run.grid_of[one.places]]
        for cut in self._cuts(self._others, None):
            others[cut.rows] += cut.lengths
        return cells, covered, others

    def is_worth_it(self, windows: RangeWindows) -> bool:
        """Return whether reading cells is much less work than reading samples."""
        cells, covered, others = (int(size.sum()) for size in self._sizes)
        if windows.samples_are_cheap and 8 * covered <= self._caches.batches.limit:
            return False
        return covered >= WORTH_SAMPLES * cells and MOST_OTHERS * others <= covered

    @property
    def whole(self) -> bool:
        """See `CellSource`. The statistics of whole blocks determine it."""
        if int(self._sizes[2].sum()) * MOST_OTHERS > int(self._sizes[1].sum()):
            return False
        for one in self._rolled_up:
            coarsest = one.part.rollups()[0]
            if coarsest.resolution_ms != WHOLE or len(one.places) == 0:
                continue
            begins = coarsest.grids.value_start[one.places]
            try:
                found = coarsest.statistics["whole"].floats(begins, np.ones(len(begins), np.int64))
            except DAMAGE:  # not known, so the samples are read
                return False
            if (found == 0).any():
                return False
        return True

    def portions(self) -> Sequence[tuple[int, int]]:
        """See `CellSource`."""
        cells, _, others = self._sizes
        return portions(cells * PORTION_SAMPLES // PORTION_CELLS + others, PORTION_SAMPLES)

    def columns(self, first: int, end: int) -> CellColumns:
        """See `CellSource`. Samples replace damaged cells. A downsampled part has no such samples:
        its damaged cells are noted, or raise."""
        pieces: list[_Pieces] = []
        others = list(self._others)
        for one in self._rolled_up:
            try:
                pieces.append(self._cells(one, first, end))
                self.from_rollups += len(pieces[-1].rows)
            except DAMAGE as problem:
                if one.part.downsampled_ms:
                    note_or_raise(problem, self._read_errors)
                else:
                    others.append(next(n for n, p in enumerate(self._parts) if p is one.part))
        cuts = self._cuts(sorted(others), (first, end))
        views = self._selection(cuts).views(markers=False)
        pieces += [self._summarised(view.ragged()) for view in views]
        return _joined(pieces, self._names, first, end)

    def as_samples(self, statistic: str) -> Selection:
        """See `CellSource`."""
        rollups = {id(one.part): one.rollup for one in self._rolled_up}
        cuts: list[RangeSlice] = []
        for number, part in enumerate(self._parts):
            rollup, own = rollups.get(id(part)), self._cuts([number], None)
            if rollup is None or part.downsampled_ms:
                cuts += own
                continue
            for cut in own:
                cuts += with_cells(cut, rollup, statistic, self._span)
        return self._selection(cuts)

    def samples(self, rows: Ints) -> Selection:
        """See `CellSource`."""
        wanted = np.zeros(self.series.rows, np.bool_)
        wanted[rows] = True
        return self._selection(of_rows(self._cuts(range(len(self._parts)), None), wanted))

    def _cuts(self, numbers: Sequence[int], stretch: tuple[int, int] | None) -> list[RangeSlice]:
        """Return slices of the parts with these numbers.

        stretch  first row, and one past the last; None: all rows
        """
        out: list[RangeSlice] = []
        for number in numbers:
            index_rows, rows = self._union.found[number]
            if stretch is not None:
                some = np.flatnonzero((rows >= stretch[0]) & (rows < stretch[1]))
                index_rows, rows = index_rows[some], rows[some]
            if len(rows):
                pieces = pieces_of(self._parts[number], index_rows, rows)
                out += cut_ranges(pieces, *self._span, self._read_errors)
        return out

    def _selection(self, cuts: Sequence[RangeSlice]) -> Selection:
        found = plan_mixed(cuts, self.series.rows, self._caches.batches, self._read_errors)
        return Selection(self.series, *found, range_ms=self._span)

    def _cells(self, one: _RolledUpPart, first: int, end: int) -> _Pieces:
        some = np.flatnonzero((one.rows >= first) & (one.rows < end))
        rows, places, rollup = one.rows[some].astype(np.int64), one.places[some], one.rollup
        directories, of_grids = rollup.grids, rollup.of_grids
        grids, number = np.unique(directories.grid_of[places], return_inverse=True)
        low, high = directories.window(grids, *self._span)
        begins, lengths = directories.grid_start[grids] + low, high - low
        offsets = (np.cumsum(lengths) - lengths)[number]
        of_series = lengths[number]
        at = flat_positions(offsets, of_series)
        firsts = lasts = directories.times.ints(begins, lengths)[at]
        sizes: Ints | None = None
        deleted = one.part.deleted()
        if self._timed or deleted is not None:
            firsts, sizes = (of_grids[n].ints(begins, lengths)[at] for n in ("firsts", "sizes"))
        starts = directories.value_start[places] + low[number]
        columns = [rollup.statistics[name].floats(starts, of_series) for name in self._names]
        cell_rows = np.repeat(rows, of_series)
        timed = np.zeros(len(lasts), np.bool_) if sizes is None else columns[0] == sizes
        if deleted is not None:
            left = ~deleted.overlap(np.repeat(one.index_rows[some], of_series), firsts, lasts)
            cell_rows, firsts, lasts = cell_rows[left], firsts[left], lasts[left]
            timed, columns = timed[left], [column[left] for column in columns]
        return _Pieces(cell_rows, firsts, lasts, timed, columns)

    def _summarised(self, flat: SeriesView) -> _Pieces:
        """Compute cells from samples: none from before and after cells that were read, or from
        several cells of a downsampled part."""
        times = flat.timestamps
        if len(times) == 0:
            none = np.zeros(0, np.int64)
            return _Pieces(none, none, none, none > 0, [np.zeros(0)] * len(self._names))
        rows = flat.owners()
        keys = [rows, self._cell_of(times), np.searchsorted(self._bounds, times, side="right")]
        keys += [(np.clip(times, low, high) - 1) // ms for ms, low, high in self._late]
        fresh = np.append(True, np.any([key[1:] != key[:-1] for key in keys], axis=0))
        begins = np.flatnonzero(fresh)
        sizes = np.diff(begins, append=len(times))
        summing = Summing(sizes, exact=not {*self._names} <= {*STATISTICS})
        summing.take(flat.values)
        found = summing.done()
        columns = [found[name] for name in self._names]
        timed = np.ones(len(begins), np.bool_)
        return _Pieces(rows[begins], times[begins], times[begins + sizes - 1], timed, columns)


def _joined(pieces: Sequence[_Pieces], names: Sequence[str], first: int, end: int) -> CellColumns:
    """Return the cells of rows first … end - 1, by row, then time.

    names  of the statistics, the count first
    """
    if not pieces:
        none = np.zeros(0, np.int64)
        empty = {name: np.zeros(0) for name in names}
        return CellColumns(np.zeros(end - first + 1, np.int64), none, none, none > 0, empty)
    rows, firsts, lasts, timed = (
        np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("rows", "first_ms", "last_ms", "timed")
    )
    columns = [np.concatenate(some) for some in zip(*(p.statistics for p in pieces), strict=True)]
    later = (rows[1:] > rows[:-1]) | ((rows[1:] == rows[:-1]) & (lasts[1:] > lasts[:-1]))
    if not (later.all() and (columns[0] > 0).all()):
        order = np.lexsort((lasts, rows))
        order = order[columns[0][order] > 0]
        rows, firsts, lasts, timed = (some[order] for some in (rows, firsts, lasts, timed))
        columns = [column[order] for column in columns]
    offsets = np.searchsorted(rows, np.arange(first, end + 1))
    return CellColumns(offsets, firsts, lasts, timed, dict(zip(names, columns, strict=True)))
