"""Merges the floats of several blocks as one layer: its directories are built at once, its samples
are read later."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novaql.tsdb.compaction.concat_stream import ConcatStream, Segments
from novaql.tsdb.compaction.merge_stream import MergeStream, Source, merged_times
from novaql.tsdb.head.float_run import FloatRun
from novaql.tsdb.model.flat_arrays import NEVER, are_apart
from novaql.tsdb.model.labels import Bools, Ints, combine_codes
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.part import Layer
from novaql.tsdb.parts.sorted_run import ArrayStream, SortedRun

_numbers = itertools.count()


def merged_floats(sources: Sequence[Source], run: FloatRun | None) -> Layer | None:
    """Return the samples of all sources, in order of age, and of `run`, which has other series;
    None if there are none.

    Rows are those of the union of all blocks, which are the ids of `run`.
    """
    # 1. Samples of each group: the sum over its sources; those that overlap are counted by a merge.
    groups = _grouped(sources)
    overlapping_lengths, overlapping_times = merged_times(
        sources, groups.leader[groups.overlapping]
    )
    lengths = np.zeros(len(groups.leader), np.int64)
    for source in sources:
        there, series = source.of(groups.leader)
        lengths[there] += source.run.grid_length[source.run.grid_of[series]]
    lengths[groups.overlapping] = overlapping_lengths

    left = lengths[groups.number] > 0  # of the others, all samples were deleted
    rows, number = groups.rows[left], groups.number[left]
    # 2. Segments: of values one for each row and source, of times one for each group and source,
    # since the rows of a group share a grid. `used` numbers the grids of the result.
    used = np.flatnonzero(lengths)
    is_overlapping = groups.overlapping[number]
    offsets = np.append(0, np.cumsum(lengths[number[is_overlapping]]))
    values, times = _SegmentList(), _SegmentList()
    for place, source in enumerate(sources):
        there, series = source.of(rows, ~is_overlapping)
        grids = source.run.grid_of[series]
        first, size = source.run.grid_first[grids], source.run.grid_length[grids]
        values.add(place, there, first, source.run.value_start[series], size)
        there, series = source.of(groups.leader[used], ~groups.overlapping[used])
        grids = source.run.grid_of[series]
        first, size = source.run.grid_first[grids], source.run.grid_length[grids]
        times.add(place, there, first, source.run.grid_start[grids], size)
    # Merged series are one more source; their streams have the rows one after another.
    place = len(sources)
    values.add(place, np.flatnonzero(is_overlapping), None, offsets[:-1], np.diff(offsets))
    some = overlapping_lengths > 0
    begins = (np.cumsum(overlapping_lengths) - overlapping_lengths)[some]
    times.add(
        place, np.flatnonzero(groups.overlapping[used]), None, begins, overlapping_lengths[some]
    )

    runs = [source.run for source in sources]
    overlapping = [
        MergeStream(sources, rows[is_overlapping], offsets, what) for what in ("values", "starts")
    ]
    time_streams = [*(one.times for one in runs), ArrayStream(overlapping_times)]
    value_streams = [*(one.values for one in runs), overlapping[0]]
    start_streams = [*(one.starts for one in runs), overlapping[1]]
    has_starts = any(one.starts is not None for one in runs)
    grid_of, grid_length = np.searchsorted(used, number), lengths[used]
    # 3. The rows and grids of `run` follow; then rows are put in order.
    if run is not None:
        other = run.sorted
        place += 1
        ids, grids = np.arange(len(run.ids)), np.arange(len(other.grid_length))
        own_lengths = whole(other.grid_length)
        values.add(place, len(rows) + ids, None, whole(other.value_start), other.lengths)
        times.add(place, len(used) + grids, None, whole(other.grid_start), own_lengths)
        grid_of = np.append(grid_of, len(used) + whole(other.grid_of))
        grid_length = np.append(grid_length, own_lengths)
        rows = np.append(rows, run.ids)
        time_streams.append(other.times)
        value_streams.append(other.values)
        start_streams.append(other.starts)
        has_starts = has_starts or other.starts is not None
    if len(rows) == 0:
        return None
    order = np.argsort(rows)
    segments, all_times = values.segments(), ConcatStream(time_streams, times.segments())
    grid_start = np.cumsum(grid_length) - grid_length
    one_each = np.ones(len(grid_length), np.int64)
    lengths = grid_length[grid_of]
    merged = SortedRun(
        identity=("merged", next(_numbers)),
        grid_of=grid_of[order],
        value_start=(np.cumsum(lengths) - lengths)[order],
        grid_start=grid_start,
        grid_length=grid_length,
        grid_first=all_times.ints(grid_start, one_each),
        grid_last=all_times.ints(grid_start + grid_length - 1, one_each),
        times=all_times,
        values=ConcatStream(value_streams, segments),
        starts=ConcatStream(start_streams, segments) if has_starts else None,
    )
    return Layer(merged, rows[order])


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Rows that have the same grid in every source, and the same deleted time.

    rows     [R] of the union, increasing
    number   [R] group of each row
    leader   [G] one row of each group
    overlapping  [G] whether its samples must be merged one by one
    """

    rows: Ints
    number: Ints
    leader: Ints
    overlapping: Bools


def _grouped(sources: Sequence[Source]) -> _Groups:
    none = np.empty(0, np.int64)
    if not sources:
        return _Groups(none, none, none, np.empty(0, np.bool_))
    there = np.zeros(len(sources[0].series), np.bool_)
    for source in sources:
        there |= source.series >= 0
    rows = np.flatnonzero(there)
    codes: list[Ints] = []
    for source in sources:
        at, series = source.of(rows)
        code = np.zeros(len(rows), np.int64)
        code[at] = source.run.grid_of[series] + 1
        codes.append(code)
        if source.deleted is not None and len(source.deleted):
            lost = np.zeros(len(rows), np.int64)
            lost[at] = source.deleted.alike(source.rows[series])
            codes.append(lost)
    if len(rows) == 0:
        return _Groups(rows, none, none, np.empty(0, np.bool_))
    _, leader, number = np.unique(
        combine_codes(codes, len(rows)), return_index=True, return_inverse=True
    )
    leaders = rows[leader]
    return _Groups(rows, number.ravel(), leaders, _overlapping(sources, leaders))


def _overlapping(sources: Sequence[Source], rows: Ints) -> Bools:
    """Whether samples of rows were deleted, or those of a source are between those of another."""
    first = np.full((len(sources), len(rows)), NEVER)
    last = np.full((len(sources), len(rows)), NEVER)
    touched = np.zeros(len(rows), np.bool_)
    for number, source in enumerate(sources):
        there, series = source.of(rows)
        grids = source.run.grid_of[series]
        first[number, there] = source.run.grid_first[grids]
        last[number, there] = source.run.grid_last[grids]
        if source.deleted is not None:
            touched[there] |= source.deleted.touches(source.rows[series])
    return touched | ~are_apart(first, last)


class _SegmentList:
    """Collects segments in any order; `segments()` returns them by row, then time."""

    def __init__(self) -> None:
        self._columns: list[tuple[Ints, ...]] = []

    def add(self, source: int, rows: Ints, first: Ints | None, start: Ints, size: Ints) -> None:
        """first: earliest time of each segment; ignored for a row with a single segment."""
        first = np.zeros(len(rows), np.int64) if first is None else first
        self._columns.append((np.full(len(rows), source), rows, first, start, size))

    def segments(self) -> Segments:
        source, rows, first, start, size = (
            np.concatenate(column) for column in zip(*self._columns, strict=True)
        )
        order = np.lexsort((first, rows))
        size = size[order]
        return Segments(source[order], start[order], size, np.cumsum(size) - size)
