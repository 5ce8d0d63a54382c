"""The series of runs that a selection reads, and the range of samples of each."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints, Numbers, combine_codes
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import (
    ArrayStream,
    RunDirectory,
    SortedHistogramRun,
    SortedRun,
    bound_of,
)
from novaql.tsdb.parts.tombstones import Intervals

MANY_SERIES = 4096
"""From this number of series on, the memory of arrays matters more than the time to make them
compact."""


@dataclass(frozen=True, slots=True, eq=False)
class SeriesSubset:
    """Series of one run that take part in a selection.

    series     series of the run
    rows       row of each in the selection's table
    deleted    deleted time in the part of the run; readers skip its samples
    part_rows  row of each series in the index of that part
    """

    run: RunDirectory
    series: Ints
    rows: Numbers
    deleted: Intervals | None = None
    part_rows: Ints | None = None

    def take(self, some: Ints) -> SeriesSubset:
        """Return some of the series, without `deleted`."""
        return SeriesSubset(self.run, self.series[some], self.rows[some])


@dataclass(frozen=True, slots=True, eq=False)
class RangeSlice:
    """Series of a run and, for each, the samples of its grid that lie in the range.

    low, high    [series] positions in the grid, low < high. Many are four bytes each, or one
                 broadcast number if all are equal, since a plan holds them for every block
    start_ms, end_ms  the range, of all series or of each
    untouched    no sample of these series is deleted, so samples outside of the range may be read
                 too
    """

    run: RunDirectory
    series: Ints
    rows: Numbers
    low: Numbers
    high: Numbers
    start_ms: int | Ints
    end_ms: int | Ints
    untouched: bool = False

    @property
    def lengths(self) -> Ints:
        """[series] number of samples in the range."""
        return (self.high - self.low).astype(np.int64, copy=False)

    @property
    def first(self) -> Ints:
        """[series] lower bound of the times; exact if the range contains the whole grid."""
        first: Ints = self.run.grid_first[self.run.grid_of[self.series]]
        return np.maximum(first, self.start_ms)

    @property
    def last(self) -> Ints:
        """[series] upper bound of the times, as `first`."""
        last: Ints = self.run.grid_last[self.run.grid_of[self.series]]
        return np.minimum(last, self.end_ms)

    def take(self, some: Ints) -> RangeSlice:
        return RangeSlice(
            self.run, self.series[some], self.rows[some],
            self.low[some], self.high[some],
            bound_of(self.start_ms, some), bound_of(self.end_ms, some), self.untouched,
        )  # fmt: skip

    def widened(self) -> RangeSlice:
        """Return a slice with all samples of each series of which the range has half or more."""
        if not self.untouched:
            return self
        grids = self.run.grid_of[self.series]
        every = self.run.grid_length[grids]
        taken = self.lengths
        wide = (taken < every) & (2 * taken >= every)
        if not wide.any():
            return self
        every_one = bool(wide.all())
        return replace(
            self,
            low=_compact(np.where(wide, 0, self.low)),
            high=_compact(np.where(wide, every, self.high)),
            start_ms=_EVER[0] if every_one else np.where(wide, _EVER[0], self.start_ms),
            end_ms=_EVER[1] if every_one else np.where(wide, _EVER[1], self.end_ms),
        )

    def key(self) -> Hashable:
        """Equal for slices that read the same samples in the same order."""
        content = blake2b(self.series.tobytes(), digest_size=16)
        content.update(self.low.astype(np.int32, copy=False).tobytes())
        content.update(self.high.astype(np.int32, copy=False).tobytes())
        return (self.run.identity, content.digest())

    def times(self) -> Ints:
        grids = self.run.grid_of[self.series]
        return self.run.times.ints(self.run.grid_start[grids] + self.low, self.lengths)

    @property
    def started(self) -> Bools | None:
        """[series] which have start timestamps; None if none has."""
        every = self.run.started
        return None if every is None else every[self.series]

    def starts(self) -> Ints:
        """Start timestamps; 0 for a sample without one."""
        lengths = self.lengths
        if self.run.starts is None:
            return np.zeros(int(lengths.sum()), np.int64)
        return self.run.starts.ints(self.run.value_start[self.series] + self.low, lengths)

    @property
    def floats(self) -> SortedRun:
        assert isinstance(self.run, SortedRun)
        return self.run

    @property
    def is_in_memory(self) -> bool:
        """Whether the samples are arrays in memory. Caching them would add a copy for each window,
        or retain a head that was flushed."""
        return isinstance(self.floats.values, ArrayStream)

    @property
    def is_native(self) -> bool:
        return isinstance(self.run, SortedHistogramRun)

    def values(self) -> Floats:
        """Values of a slice of floats, flat."""
        return self.floats.values.floats(self.run.value_start[self.series] + self.low, self.lengths)

    def histograms(self) -> Histograms:
        """Histograms of a slice of histograms."""
        assert isinstance(self.run, SortedHistogramRun)
        return self.run.values.histograms(
            self.run.value_start[self.series] + self.low, self.lengths
        )


def of_rows(cuts: Sequence[RangeSlice], wanted: Bools) -> list[RangeSlice]:
    """Return the slices without the series whose rows `wanted` excludes."""
    chosen = []
    for cut in cuts:
        inside = wanted[cut.rows]
        if inside.all():
            chosen.append(cut)
        elif inside.any():
            chosen.append(cut.take(np.flatnonzero(inside)))
    return chosen


def bytes_of(cuts: Iterable[RangeSlice]) -> int:
    """Return the memory of slices. Shared arrays count once, broadcast numbers not at all."""
    fields = ("series", "rows", "low", "high", "start_ms", "end_ms")
    held = [getattr(cut, name) for cut in cuts for name in fields]
    arrays = {id(one): one for one in held if isinstance(one, np.ndarray)}
    return sum(array.strides[0] * len(array) for array in arrays.values())


def have_starts(cuts: Iterable[RangeSlice]) -> bool:
    """Whether a sample may have a start timestamp."""
    return any(started.any() for cut in cuts if (started := cut.started) is not None)


def started_rows(cuts: Sequence[RangeSlice], rows: int) -> Bools | None:
    """Return which rows of a table have a start timestamp in some run; None if none has."""
    found = None
    for cut in cuts:
        started = cut.started
        if started is not None and started.any():
            found = np.zeros(rows, np.bool_) if found is None else found
            found[cut.rows[started]] = True
    return found


def cut_ranges(
    pieces: Sequence[SeriesSubset],
    start_ms: int,
    end_ms: int,
    read_errors: ReadErrors | None = None,
) -> list[RangeSlice]:
    """Return the slice of each subset in the range, without subsets and series that have no sample
    in it."""
    cuts = (
        _cut(left, begin, end, read_errors)
        for piece in pieces
        for left, begin, end in _not_deleted(piece, start_ms, end_ms)
        if len(left.series)
    )
    return [cut for cut in cuts if len(cut.rows)]


def _not_deleted(
    piece: SeriesSubset, start_ms: int, end_ms: int
) -> list[tuple[SeriesSubset, int | Ints, int | Ints]]:
    """Return the subset with its range; or several, none of which has a series twice, with ranges
    [series] that exclude deleted time."""
    if piece.deleted is None or piece.part_rows is None:
        return [(piece, start_ms, end_ms)]
    hit = piece.deleted.touches(piece.part_rows)
    if not hit.any():
        return [(piece, start_ms, end_ms)]
    some = np.flatnonzero(hit)
    out: list[tuple[SeriesSubset, int | Ints, int | Ints]] = [
        (piece.take(some[places]), starts, ends)
        for places, starts, ends in piece.deleted.remaining(piece.part_rows[some], start_ms, end_ms)
    ]
    if len(some) < len(hit):
        out.append((piece.take(np.flatnonzero(~hit)), start_ms, end_ms))
    return out


def _cut(
    piece: SeriesSubset, start_ms: int | Ints, end_ms: int | Ints, read_errors: ReadErrors | None
) -> RangeSlice:
    run = piece.run
    own = run.grid_of[piece.series]
    one_range = False
    if isinstance(start_ms, int) or isinstance(end_ms, int):
        one_range = True
        if bool((own == own[0]).all()):  # as for the series of one target
            grids, place = own[:1], np.zeros(len(own), np.int64)
        else:
            grids, place = np.unique(own, return_inverse=True)
    else:
        bounds = [np.unique(bound, return_inverse=True)[1] for bound in (start_ms, end_ms)]
        _, first, place = np.unique(
            combine_codes([own, *bounds], len(own)), return_index=True, return_inverse=True
        )
        grids, start_ms, end_ms = own[first], start_ms[first], end_ms[first]
    low, high = run.window(grids, start_ms, end_ms, read_errors)
    whole = RangeSlice(
        run, piece.series, piece.rows, _compact(low[place]), _compact(high[place]),
        bound_of(start_ms, place), bound_of(end_ms, place), untouched=one_range,
    )  # fmt: skip
    inside = high > low
    return whole if inside.all() else whole.take(np.flatnonzero(inside[place]))


def _compact(positions: Ints) -> Numbers:
    """[series] Return the same positions in less memory, if there are many."""
    if len(positions) < MANY_SERIES:
        return positions
    if bool((positions == positions[0]).all()):
        return np.broadcast_to(positions[:1].copy(), len(positions))
    return positions.astype(np.int32)


_EVER = -(2**62), 2**62
