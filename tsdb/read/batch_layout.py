"""Batches of series whose layers follow one another in time: each range is copied to its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.codec.numba.decoder import CompiledHoles, ready
from novaql.tsdb.model.flat_arrays import (
    MIN_INT,
    NEVER,
    all_begin_after,
    bounds_of,
    flat_positions,
)
from novaql.tsdb.model.labels import Ints, Numbers
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.parts.ranges import RangeSlice
from novaql.tsdb.parts.sorted_run import CopyPlan, CopyRanges, SortedRun
from novaql.tsdb.read.staleness import split_markers
from novaql.tsdb.runtime.buffer_pool import BUFFERS
from novaql.tsdb.runtime.parallel import ordered_parallel

WORTH_A_THREAD = 1 << 17
"""One thread decodes this many numbers in a fraction of a millisecond, so no others help."""


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """The ranges of one layer's streams that a batch has, and their places in it.

    values  one range for each of `series`
    times   one range for each grid: the times of its first series
    """

    run: SortedRun
    series: Ints
    values: CopyRanges
    times: CopyRanges


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The arrays of a batch except times and values, and the ranges to copy to these."""

    offsets: Ints
    grid: Ints
    grid_offsets: Ints
    layers: list[_Layer]


def _values_of(layer: _Layer, values: Floats, *, cached_pages: int, times_only: bool) -> CopyPlan:
    """Plan the copy of a layer's values.

    times_only  only markers are needed: if fewer than half of the series may have any, the values
                of the others are not copied
    """
    ranges = layer.values
    if times_only and layer.run.unmarked is not None:
        some = np.flatnonzero(~layer.run.unmarked(layer.series))
        if 2 * len(some) < len(layer.series):
            ranges = CopyRanges(ranges.places[some], ranges.starts[some], ranges.lengths[some])
    return layer.run.values.plan_copy(values, ranges, cached_pages=cached_pages)


def layout_in_turn(
    members: Ints,
    widths: Ints,
    group: Ints,
    cuts: Sequence[RangeSlice],
    slots: Sequence[Numbers],
) -> Layout:
    """Lay out a batch of rows whose layers follow one another in time.

    members             [S] rows, those of one group adjacent
    widths, group, ...  as those of `BatchPlan`
    """
    widths = widths[members]
    offsets = bounds_of(widths)
    group = group[members]
    is_first = np.ones(len(members), np.bool_)
    np.not_equal(group[1:], group[:-1], out=is_first[1:])
    firsts = is_first.nonzero()[0]
    grid = is_first.cumsum() - 1
    grid_offsets = bounds_of(widths[firsts])
    chosen = [
        (places, cut.take(slot[members[places]].astype(np.int64)))
        for cut, slot in zip(cuts, slots, strict=True)
        if len(places := (slot[members] >= 0).nonzero()[0])
    ]
    starts = _starts_in_turn(chosen, offsets[:-1])
    shift = grid_offsets[:-1] - offsets[firsts]  # from a first member's samples to its grid's times
    layers = []
    for (places, cut), start in zip(chosen, starts, strict=True):
        run, lengths = cut.floats, cut.lengths
        some = is_first[places].nonzero()[0]
        grids = run.grid_of[cut.series[some]]
        values = CopyRanges(start, run.value_start[cut.series] + cut.low, lengths)
        times = CopyRanges(
            start[some] + shift[grid[places[some]]],
            run.grid_start[grids] + cut.low[some],
            lengths[some],
        )
        layers.append(_Layer(run, cut.series, values, times))
    return Layout(offsets, grid, grid_offsets, layers)


def load_in_turn(
    layout: Layout, members: Ints, *, cached_pages: int, times_only: bool, starts: bool
) -> SeriesBatch:
    """Read the batch of a layout, on all threads.

    cached_pages  as that of `Stream.plan_copy`
    times_only    values may be arbitrary: see `SeriesBatchRef.times_only`
    starts        with start timestamps
    """
    values = BUFFERS.floats(int(layout.offsets[-1]))
    times = BUFFERS.ints(int(layout.grid_offsets[-1]))
    plans = [
        _values_of(layer, values, cached_pages=cached_pages, times_only=times_only)
        for layer in layout.layers
    ]
    of_values = sum(len(plan.parts) for plan in plans)
    plans += [
        layer.run.times.plan_copy(times, layer.times, cached_pages=cached_pages)
        for layer in layout.layers
    ]
    parts = [part for plan in plans for part in plan.parts]
    found: list[Ints | None] = []
    ordered_parallel(
        len(parts),
        lambda number: parts[number](),
        found.append,
        alone=sum(plan.numbers for plan in plans) < WORTH_A_THREAD,
    )
    markers = _markers(found[:of_values])
    if markers is None and times_only:  # a search for them would find bytes that were not read
        return load_in_turn(
            layout, members, cached_pages=cached_pages, times_only=False, starts=starts
        )
    batch = SeriesBatch(
        members,
        values,
        layout.offsets,
        layout.grid,
        times,
        layout.grid_offsets,
        starts=_starts_of(layout) if starts else None,
    )
    tools = CompiledHoles() if ready() else None
    return split_markers(batch, tools, at=markers)


def _starts_of(layout: Layout) -> Ints:
    """[N] start timestamps of the samples, 0 where there is none."""
    found = np.zeros(int(layout.offsets[-1]), np.int64)
    for layer in layout.layers:
        if layer.run.starts is not None:
            ranges = layer.values
            at = flat_positions(ranges.places, ranges.lengths)
            found[at] = layer.run.starts.ints(ranges.starts, ranges.lengths)
    return found


def _markers(found: Sequence[Ints | None]) -> Ints | None:
    """Positions of the staleness markers, increasing; None: a task could not locate its own."""
    known = [places for places in found if places is not None]
    if len(known) < len(found):
        return None
    return np.sort(np.concatenate(known)) if known else np.empty(0, np.int64)


def _starts_in_turn(chosen: Sequence[tuple[Ints, RangeSlice]], begin: Ints) -> list[Ints]:
    """For each cut the places of its ranges: those of a series follow one another in time.

    chosen  for each cut the positions of its series in the batch, and the cut
    begin   [S] where the samples of each series begin
    """
    if len(chosen) == 1:
        return [begin[chosen[0][0]]]
    first = np.full((len(chosen), len(begin)), NEVER)
    lengths = np.zeros((len(chosen), len(begin)), np.int64)
    for number, (places, cut) in enumerate(chosen):
        first[number, places] = cut.first
        lengths[number, places] = cut.lengths
    # Cuts may begin at the same time, hence the subtraction.
    ends = (np.where(n > 0, one - 1, MIN_INT) for n, one in zip(lengths, first, strict=True))
    if all_begin_after(ends, first):  # the usual case
        before = lengths.cumsum(axis=0) - lengths
        return [(begin + before[number])[places] for number, (places, _) in enumerate(chosen)]
    order = np.argsort(first, axis=0, kind="stable")
    in_order = np.take_along_axis(lengths, order, 0)
    before = np.empty_like(lengths)
    np.put_along_axis(before, order, np.cumsum(in_order, axis=0) - in_order, 0)
    return [(begin + before[number])[places] for number, (places, _) in enumerate(chosen)]
