"""Merges the floats of several blocks to one layer. Its directories are built at once; its samples
are read later."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.compaction.concat_stream import ConcatStream, Segments
from novaql.tsdb.compaction.merge_stream import MergeStream, Source, merged_times
from novaql.tsdb.head.float_run import FloatRun
from novaql.tsdb.model.flat_arrays import NEVER, are_apart
from novaql.tsdb.model.labels import Bools, Ints, combine_codes
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.part import Layer
from novaql.tsdb.parts.sorted_run import ArrayStream, SortedRun, Stream

_numbers = itertools.count()


def merged_floats(sources: Sequence[Source], run: FloatRun | None) -> Layer | None:
    """Return the samples of all sources, in order of age, and of `run`, which has other series;
    None if there are none.

    Rows are those of the union of all blocks, which are the ids of `run`.
    """
    layer = _MergedLayer()
    layer.add_sources(sources)
    if run is not None:
        layer.add_run(run)
    return layer.build()


class _MergedLayer:
    """The rows and grids of a layer in the making, and the segments that its streams consist of.

    A segment has the number of its stream: `_times`, `_values` and `_starts` have one for each
    source, one for the series that are merged, and one for the added run. Values have a segment for
    each row and stream; times for each grid and stream, since the rows of a group share a grid.
    """

    def __init__(self) -> None:
        none = np.empty(0, np.int64)
        self._rows, self._grid_of, self._grid_length = none, none, none
        self._value_segments, self._time_segments = _SegmentList(), _SegmentList()
        self._times: list[Stream] = []
        self._values: list[Stream] = []
        self._starts: list[Stream | None] = []
        self._has_starts = False

    def add_sources(self, sources: Sequence[Source]) -> None:
        """Add the series of all sources. Call it first."""
        groups = _grouped(sources)
        merged_lengths, merged_at = merged_times(sources, groups.leader[groups.overlapping])
        lengths = np.zeros(len(groups.leader), np.int64)
        for source in sources:
            there, series = source.of(groups.leader)
            lengths[there] += source.run.grid_length[source.run.grid_of[series]]
        lengths[groups.overlapping] = merged_lengths
        left = lengths[groups.number] > 0  # all samples of the other rows were deleted
        rows, number = groups.rows[left], groups.number[left]
        used = np.flatnonzero(lengths)
        is_merged, grid_is_merged = groups.overlapping[number], groups.overlapping[used]
        for source in sources:
            place, run = self._add_streams(source.run), source.run
            there, series = source.of(rows, ~is_merged)
            grids = run.grid_of[series]
            first, size = run.grid_first[grids], run.grid_length[grids]
            self._value_segments.add(place, there, first, run.value_start[series], size)
            there, series = source.of(groups.leader[used], ~grid_is_merged)
            grids = run.grid_of[series]
            first, size = run.grid_first[grids], run.grid_length[grids]
            self._time_segments.add(place, there, first, run.grid_start[grids], size)
        # The streams of merged series have the rows one after another.
        offsets = np.append(0, np.cumsum(lengths[number[is_merged]]))
        place = len(self._times)
        self._times.append(ArrayStream(merged_at))
        self._values.append(MergeStream(sources, rows[is_merged], offsets, "values"))
        self._starts.append(MergeStream(sources, rows[is_merged], offsets, "starts"))
        at = np.flatnonzero(is_merged)
        self._value_segments.add(place, at, None, offsets[:-1], np.diff(offsets))
        begins = (np.cumsum(merged_lengths) - merged_lengths)[merged_lengths > 0]
        size = merged_lengths[merged_lengths > 0]
        self._time_segments.add(place, np.flatnonzero(grid_is_merged), None, begins, size)
        self._rows = rows
        self._grid_of, self._grid_length = np.searchsorted(used, number), lengths[used]

    def add_run(self, run: FloatRun) -> None:
        """Add series that no source has; their rows and grids follow the others."""
        s, rows, grids = run.sorted, len(self._rows), len(self._grid_length)
        place = self._add_streams(s)
        lengths = whole(s.grid_length)
        at = rows + np.arange(len(run.ids))
        self._value_segments.add(place, at, None, whole(s.value_start), s.lengths)
        at = grids + np.arange(len(lengths))
        self._time_segments.add(place, at, None, whole(s.grid_start), lengths)
        self._rows = np.append(self._rows, run.ids)
        self._grid_of = np.append(self._grid_of, grids + whole(s.grid_of))
        self._grid_length = np.append(self._grid_length, lengths)

    def _add_streams(self, run: SortedRun) -> int:
        """Add the streams of a run; return their number."""
        self._times.append(run.times)
        self._values.append(run.values)
        self._starts.append(run.starts)
        self._has_starts = self._has_starts or run.starts is not None
        return len(self._times) - 1

    def build(self) -> Layer | None:
        """Return the layer with its rows in order; None if it has none."""
        if len(self._rows) == 0:
            return None
        order = np.argsort(self._rows)
        grid_length = self._grid_length
        grid_start = np.cumsum(grid_length) - grid_length
        one_each = np.ones(len(grid_length), np.int64)
        lengths = grid_length[self._grid_of]
        times = ConcatStream(self._times, self._time_segments.segments())
        segments = self._value_segments.segments()
        merged = SortedRun(
            identity=("merged", next(_numbers)),
            grid_of=self._grid_of[order],
            value_start=(np.cumsum(lengths) - lengths)[order],
            grid_start=grid_start,
            grid_length=grid_length,
            grid_first=times.ints(grid_start, one_each),
            grid_last=times.ints(grid_start + grid_length - 1, one_each),
            times=times,
            values=ConcatStream(self._values, segments),
            starts=ConcatStream(self._starts, segments) if self._has_starts else None,
        )
        return Layer(merged, self._rows[order])


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
    """Group the rows that any source has."""
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
    """[rows] whether samples of a row were deleted, or those of one source overlap in time with
    those of another."""
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
