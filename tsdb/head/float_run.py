"""A sorted run of floats in the head, and the merge of two."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import flat_positions, joined_starts, sorted_union
from novaql.tsdb.model.labels import Bools, Ints, combine_codes
from novaql.tsdb.model.samples import Bits, Floats, timestamp_groups
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.sorted_run import ArrayStream, RunDirectory, SortedRun

Sorted = TypeVar("Sorted", bound=RunDirectory)
_WIDE_ROW = 256
"""Rows of at least this many series are moved to columns one by one; shorter ones are sorted."""
_numbers = itertools.count()


class FloatSamples(NamedTuple):
    """[N] ids, milliseconds, values, and start timestamps; 0 for a sample without one."""

    ids: Ints
    times: Ints
    values: Floats
    starts: Ints | None = None

    def take(self, some: Ints | Bools | slice) -> FloatSamples:
        starts = None if self.starts is None else self.starts[some]
        return FloatSamples(self.ids[some], self.times[some], self.values[some], starts)


NO_FLOATS = FloatSamples(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class HeadRun(Generic[Sorted]):
    """Samples of some series of the head; each series, and each of its times, once.

    ids        [R] ids of the series, increasing
    sorted     their samples, series after series
    duplicates samples that were replaced by a later one of the same series and time
    conflicts  those of them with another value, bit for bit
    """

    ids: Ints
    sorted: Sorted
    duplicates: int = 0
    conflicts: int = 0

    @property
    def _bytes_beside_values(self) -> int:
        """Bytes of directories, times and start timestamps."""
        s = self.sorted
        directories = 3 * len(self.ids) + 4 * len(s.grid_length)
        starts = 0 if s.starts is None else s.samples
        return 8 * (directories + int(whole(s.grid_length).sum()) + starts)

    def places(self) -> tuple[Ints, Ints, Ints | None]:
        """Return id, time and start timestamp of all samples, by series, then time."""
        s, lengths = self.sorted, self.sorted.lengths
        times = s.times.ints(s.grid_start[whole(s.grid_of)], lengths)
        starts = None if s.starts is None else s.starts.ints(whole(s.value_start), lengths)
        return np.repeat(self.ids, lengths), times, starts


@dataclass(frozen=True, slots=True, eq=False)
class FloatRun(HeadRun[SortedRun]):
    """A run of floats."""

    @property
    def values(self) -> Floats:
        """All values, by series, then time."""
        s = self.sorted
        return s.values.floats(whole(s.value_start), s.lengths)

    @property
    def samples(self) -> int:
        return self.sorted.samples

    @property
    def nbytes(self) -> int:
        return self._bytes_beside_values + 8 * self.samples

    def flat(self) -> FloatSamples:
        """Return all samples, by series, then time."""
        ids, times, starts = self.places()
        return FloatSamples(ids, times, self.values, starts)

    def only(self, flat: FloatSamples, stays: Bools) -> FloatRun | None:
        """Return a run of those samples of `flat()` that remain; None if there are none."""
        if stays.all():
            return self
        if not stays.any():
            return None
        rest = build_run(*flat.take(stays))
        return replace(self, ids=rest.ids, sorted=rest.sorted)


def build_run(
    ids: Ints, times: Ints, values: Floats, starts: Ints | None = None, *, ordered: bool = False
) -> FloatRun:
    """Sort samples in order of arrival; of equal series and time, the later one replaces the
    others.

    ordered  they are by series, then time
    """
    if not ordered:
        ids, times, values, starts = _ordered(FloatSamples(ids, times, values, starts))
    begun = starts
    duplicates = conflicts = 0
    same = (ids[1:] == ids[:-1]) & (times[1:] == times[:-1])
    if same.any():
        bits: Bits = values.view(np.uint64)
        duplicates = int(np.count_nonzero(same))
        conflicts = int(np.count_nonzero(same & (bits[1:] != bits[:-1])))
        last = np.append(~same, True)
        ids, times, values = ids[last], times[last], values[last]
        begun = None if begun is None else begun[last]
    firsts = np.append(0, np.flatnonzero(ids[1:] != ids[:-1]) + 1)
    offsets = np.append(firsts, len(ids)).astype(np.int64)
    lengths = np.diff(offsets)
    group, _ = timestamp_groups(times, offsets, lengths)
    # One member of each group of series with equal timestamps represents the grid.
    _, leader, grid_of = np.unique(group, return_index=True, return_inverse=True)
    grid_length = lengths[leader]
    grid_times = times[flat_positions(offsets[leader], grid_length)]
    sorted_run = _sorted_run(
        grid_of.astype(np.int64), offsets[:-1], grid_length, grid_times, values, begun
    )
    return FloatRun(ids[firsts], sorted_run, duplicates, conflicts)


def build_joined(parts: list[FloatSamples]) -> FloatRun:
    """Return `build_run` of parts, one after another. The list is emptied: samples that are joined
    are not needed twice while they are sorted. After an error it has the same samples again."""
    transposed = _transposed(parts)
    flat = joined(parts) if transposed is None else transposed
    parts.clear()
    try:
        if transposed is None:
            flat = _ordered(flat)
        return build_run(*flat, ordered=True)
    except BaseException:
        parts.append(flat)
        raise


def _ordered(flat: FloatSamples) -> FloatSamples:
    """Return samples by series, then time; of equal ones, in order of arrival."""
    order = _order(flat.ids, flat.times)
    return flat if order is None else flat.take(order)


def _transposed(parts: Sequence[FloatSamples]) -> FloatSamples | None:
    """Return the samples by series, then time, if they are rows of one list of series, each row
    later than the one before, as scrapes of the same targets are; None for other samples. Rows are
    copied to columns, and no sample is sorted."""
    ids = parts[0].ids
    if bool((ids[1:_WIDE_ROW] == ids[0]).any()):
        return None
    again = ids[1:] == ids[0]
    width = int(again.argmax()) + 1 if again.any() else len(ids)
    if width < _WIDE_ROW or any(len(part.ids) % width for part in parts):
        return None
    series = ids[:width]
    by_id = np.argsort(series, kind="stable")
    if bool((np.diff(series[by_id]) == 0).any()):
        return None
    rows: list[FloatSamples] = []
    for part in parts:
        if bool((part.ids.reshape(-1, width) != series).any()):
            return None
        begins = range(0, len(part.ids), width)
        rows += [part.take(slice(begin, begin + width)) for begin in begins]
    rows.sort(key=lambda row: int(row.times[0]))
    shape = width, len(rows)
    times, values = np.empty(shape, np.int64), np.empty(shape)
    starts = None if all(row.starts is None for row in rows) else np.zeros(shape, np.int64)
    for at, row in enumerate(rows):
        times[:, at], values[:, at] = row.times[by_id], row.values[by_id]
        if starts is not None and row.starts is not None:
            starts[:, at] = row.starts[by_id]
    if bool((times[:, 1:] <= times[:, :-1]).any()):
        return None
    begun = None if starts is None else starts.ravel()
    return FloatSamples(np.repeat(series[by_id], len(rows)), times.ravel(), values.ravel(), begun)


def _order(ids: Ints, times: Ints) -> Ints | None:
    """Return a stable order by (id, time); None if the samples are in this order."""
    first, last = int(times.min()), int(times.max())
    span = last - first + 1
    if int(ids.max()) < 2**62 // span:  # (id, time) fits into one int64
        key = ids * span + (times - first)
        if bool((key[1:] >= key[:-1]).all()):
            return None
        return np.argsort(key, kind="stable")
    return np.lexsort((times, ids))


def _sorted_run(
    grid_of: Ints,
    value_start: Ints,
    grid_length: Ints,
    grid_times: Ints,
    values: Floats,
    begun: Ints | None,
) -> SortedRun:
    ends = np.cumsum(grid_length)
    starts = ends - grid_length
    # Which series have a start timestamp; None if none has.
    started = None
    if begun is not None and begun.any():
        started = np.logical_or.reduceat(begun != 0, value_start)
    return SortedRun(
        identity=("run", next(_numbers)),
        grid_of=grid_of,
        value_start=value_start,
        grid_start=starts,
        grid_length=grid_length,
        grid_first=grid_times[starts],
        grid_last=grid_times[ends - 1],
        times=ArrayStream(grid_times),
        values=ArrayStream(values),
        starts=None if begun is None or started is None else ArrayStream(begun),
        started=started,
    )


def merge_runs(older: FloatRun, newer: FloatRun) -> FloatRun:
    """Merge two runs; of equal series and time, the sample of the newer run replaces the other."""
    merged = _stitched(older, newer) or _merged_between(older, newer)
    if merged is None:
        merged = build_run(*joined([older.flat(), newer.flat()]))
    return replace(
        merged,
        duplicates=older.duplicates + newer.duplicates + merged.duplicates,
        conflicts=older.conflicts + newer.conflicts + merged.conflicts,
    )


def _merged_between(older: FloatRun, newer: FloatRun) -> FloatRun | None:
    """Merge two runs that overlap in time by a quarter of their samples at most, as happens if two
    connections deliver samples not quite in order; None for other runs."""
    low, high = newer.sorted.earliest, older.sorted.latest
    both = [_clipped(run, low, high) for run in (older, newer)]
    if sum(run.sorted.samples for run in both) * 4 > older.samples + newer.samples:
        return None
    between = build_run(*joined([run.flat() for run in both if len(run.ids)]))
    before, after = _clipped(older, MIN_TIME_MS, low - 1), _clipped(newer, high + 1, MAX_TIME_MS)
    merged = _stitched(before, between, after)
    return merged and replace(merged, duplicates=between.duplicates, conflicts=between.conflicts)


def _clipped(run: FloatRun, start_ms: int, end_ms: int) -> FloatRun:
    """Return the samples of a range, without copying them."""
    s = run.sorted
    low, high = s.window(np.arange(len(s.grid_length)), start_ms, end_ms)
    left = np.flatnonzero(high > low)
    number = np.full(len(low), -1)
    number[left] = np.arange(len(left))
    grid_of = whole(s.grid_of)
    rows = np.flatnonzero(number[grid_of] >= 0)
    starts = s.grid_start[left] + low[left]
    lengths = high[left] - low[left]
    one = np.ones(len(left), np.int64)
    clipped = replace(
        s,
        identity=("run", next(_numbers)),
        grid_of=number[grid_of[rows]],
        value_start=s.value_start[rows] + low[grid_of[rows]],
        grid_start=starts,
        grid_length=lengths,
        grid_first=s.times.ints(starts, one),
        grid_last=s.times.ints(starts + lengths - 1, one),
        started=None if s.started is None else s.started[rows],
    )
    return FloatRun(run.ids[rows], clipped)


def joined(parts: Sequence[FloatSamples]) -> FloatSamples:
    """Concatenate."""
    if len(parts) == 1:
        return parts[0]
    ids, times, values, _ = zip(*parts, strict=True)
    begun = joined_starts([(part.starts, len(part.ids)) for part in parts])
    return FloatSamples(np.concatenate(ids), np.concatenate(times), np.concatenate(values), begun)


def _stitched(*runs: FloatRun) -> FloatRun | None:
    """Concatenate runs, the oldest first, without sorting; None if a series does not end in one of
    them before it begins in the next.

    Series with the same grid in each run share a grid in the result.
    """
    ids = reduce(sorted_union, [run.ids for run in runs])
    rows_of = [np.searchsorted(ids, run.ids) for run in runs]
    parts = [(rows, run.sorted) for rows, run in zip(rows_of, runs, strict=True)]
    if not _apart(len(ids), parts):
        return None
    # Series with the same grids in all runs (-1: it is not in that run) share the new grid.
    grids = np.full((len(parts), len(ids)), -1)
    for number, (rows, part) in enumerate(parts):
        grids[number, rows] = whole(part.grid_of)
    codes = combine_codes([*(grids + 1)], len(ids))
    _, leader, grid_of = np.unique(codes, return_index=True, return_inverse=True)
    sources = [
        (own[own >= 0], np.flatnonzero(own >= 0), part)
        for own, (_, part) in zip(grids[:, leader], parts, strict=True)
    ]
    grid_length, grid_times = _interleave(sources, len(leader))
    lengths = grid_length[grid_of]
    value_start = np.cumsum(lengths) - lengths
    values = np.empty(int(lengths.sum()))
    has_starts = any(part.starts is not None for _, part in parts)
    begun = np.zeros(len(values), np.int64) if has_starts else None
    # `before`: number of values of each series that are in place already; those of the next run
    # follow.
    before = np.zeros(len(ids), np.int64)
    for rows, part in parts:
        size, begins = part.lengths, whole(part.value_start)
        places = value_start[rows] + before[rows]
        part.values.copy(values, places, begins, size)
        if begun is not None and part.starts is not None:
            part.starts.copy(begun, places, begins, size)
        before[rows] += size
    sorted_run = _sorted_run(
        grid_of.astype(np.int64), value_start, grid_length, grid_times, values, begun
    )
    return FloatRun(ids, sorted_run)


def _apart(series: int, parts: Sequence[tuple[Ints, SortedRun]]) -> bool:
    """Whether each series ends in one part before it begins in the next that has it."""
    last = np.full(series, np.iinfo(np.int64).min)
    for rows, part in parts:
        if not bool((last[rows] < part.grid_first[whole(part.grid_of)]).all()):
            return False
        last[rows] = part.grid_last[whole(part.grid_of)]
    return True


def _interleave(sources: list[tuple[Ints, Ints, SortedRun]], count: int) -> tuple[Ints, Ints]:
    """Return the lengths and times of `count` grids, each a concatenation of grids of the sources.

    sources: (grid numbers, target grids, run); the targets of a source are distinct.
    """
    lengths = np.zeros(count, np.int64)
    for grids, targets, part in sources:
        lengths[targets] += part.grid_length[grids]
    starts = np.cumsum(lengths) - lengths
    times = np.empty(int(lengths.sum()), np.int64)
    for grids, targets, part in sources:
        size = part.grid_length[grids]
        times[flat_positions(starts[targets], size)] = part.times.ints(part.grid_start[grids], size)
        starts[targets] += size  # the next source continues after these
    return lengths, times
