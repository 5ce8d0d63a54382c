"""Batches whose layers follow one another in time: copied piece by piece, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from novaql.tsdb.codec.numba.decoder import CompiledHoles, ready
from novaql.tsdb.model.flat_arrays import NEVER, flat_positions
from novaql.tsdb.model.labels import Ints, Numbers
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.parts.ranges import RangeSlice
from novaql.tsdb.parts.sorted_run import CopyPlan, SortedRun
from novaql.tsdb.read.staleness import split_markers
from novaql.tsdb.runtime.buffer_pool import BUFFERS
from novaql.tsdb.runtime.parallel import ordered_parallel

WORTH_A_THREAD = 1 << 17
"""To decode so many numbers takes a fraction of a millisecond."""


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """What one layer gives to a batch: pieces of its streams, and where they go.

    series                               of the layer, whose values they are
    places, starts, lengths              of values
    time_places, time_starts, time_lengths  of times, those of one series of each grid
    of_values, of_times                  what the streams note about these pieces
    """

    run: SortedRun
    series: Ints
    places: Ints
    starts: Ints
    lengths: Ints
    time_places: Ints
    time_starts: Ints
    time_lengths: Ints
    of_values: dict[str, Any] = field(default_factory=dict)
    of_times: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A batch but for its numbers, and where these are."""

    offsets: Ints
    grid: Ints
    grid_offsets: Ints
    layers: list[_Layer]


def _values_of(layer: _Layer, values: Floats, *, keep: bool, sketched: bool) -> CopyPlan:
    """sketched: of those series alone that may have staleness markers, if these are not most."""
    pieces = layer.places, layer.starts, layer.lengths
    if sketched and layer.run.unmarked is not None:
        marked = np.flatnonzero(~layer.run.unmarked(layer.series))
        if 2 * len(marked) < len(layer.series):
            pieces = layer.places[marked], layer.starts[marked], layer.lengths[marked]
            return layer.run.values.plan_copy(values, *pieces, cache_pages=keep)
    return layer.run.values.plan_copy(values, *pieces, cache_pages=keep, notes=layer.of_values)


def layout_in_turn(
    members: Ints,
    widths: Ints,
    group: Ints,
    cuts: Sequence[RangeSlice],
    slots: Sequence[Numbers],
) -> Layout:
    """Where the samples of some rows go, whose layers follow one another in time.

    members             [S] rows, those of one group adjacent
    widths, group, ...  as those of `BatchPlan`
    """
    widths = widths[members]
    offsets = np.append(0, np.cumsum(widths))
    group = group[members]
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    grid = np.cumsum(np.diff(group, prepend=-1) != 0) - 1
    grid_offsets = np.append(0, np.cumsum(widths[firsts]))
    chosen = [
        (places, cut.take(slot[members[places]].astype(np.int64)))
        for cut, slot in zip(cuts, slots, strict=True)
        if len(places := np.flatnonzero(slot[members] >= 0))
    ]
    starts = _starts_in_turn(chosen, offsets[:-1])
    is_first = np.zeros(len(members), np.bool_)
    is_first[firsts] = True
    shift = grid_offsets[:-1] - offsets[firsts]  # from a first member's samples to its grid's times
    layers = []
    for (places, cut), start in zip(chosen, starts, strict=True):
        stratum = cut.floats
        some = np.flatnonzero(is_first[places])
        grids = stratum.grid_of[cut.series[some]]
        layers.append(
            _Layer(
                stratum,
                cut.series,
                start,
                stratum.value_start[cut.series] + cut.low,
                cut.lengths,
                start[some] + shift[grid[places[some]]],
                stratum.grid_start[grids] + cut.low[some],
                cut.lengths[some],
            )
        )
    return Layout(offsets, grid, grid_offsets, layers)


def load_in_turn(
    layout: Layout, members: Ints, *, keep: bool, sketched: bool, starts: bool
) -> SeriesBatch:
    values = BUFFERS.floats(int(layout.offsets[-1]))
    times = BUFFERS.ints(int(layout.grid_offsets[-1]))
    placings = [_values_of(layer, values, keep=keep, sketched=sketched) for layer in layout.layers]
    of_values = sum(len(plan_copy.parts) for plan_copy in placings)
    placings += [
        layer.run.times.plan_copy(
            times,
            layer.time_places,
            layer.time_starts,
            layer.time_lengths,
            cache_pages=keep,
            notes=layer.of_times,
        )
        for layer in layout.layers
    ]
    parts = [part for plan in placings for part in plan.parts]
    found: list[Ints | None] = []
    ordered_parallel(
        len(parts),
        lambda number: parts[number](),
        found.append,
        alone=sum(plan_copy.numbers for plan_copy in placings) < WORTH_A_THREAD,
    )
    markers = _markers(found[:of_values])
    if markers is None and sketched:  # what was not read must not be taken for markers
        return load_in_turn(layout, members, keep=keep, sketched=False, starts=starts)
    batch = SeriesBatch(
        members,
        values,
        layout.offsets,
        layout.grid,
        times,
        layout.grid_offsets,
        starts=_starts_of(layout) if starts else None,
    )
    tools = CompiledHoles() if ready(len(values)) else None
    return split_markers(batch, tools, at=markers)


def _starts_of(layout: Layout) -> Ints:
    """[N] start timestamps of the samples, 0 where there is none."""
    found = np.zeros(int(layout.offsets[-1]), np.int64)
    for layer in layout.layers:
        if layer.run.starts is not None:
            at = flat_positions(layer.places, layer.lengths)
            found[at] = layer.run.starts.ints(layer.starts, layer.lengths)
    return found


def _markers(found: Sequence[Ints | None]) -> Ints | None:
    """In order, if every part of the work knows where its own ones are."""
    known = [places for places in found if places is not None]
    if len(known) < len(found):
        return None
    return np.sort(np.concatenate(known)) if known else np.empty(0, np.int64)


def _starts_in_turn(chosen: Sequence[tuple[Ints, RangeSlice]], begin: Ints) -> list[Ints]:
    """Where each cut's pieces go: a series' one after the other in time, from `begin` [S] on."""
    if len(chosen) == 1:
        return [begin[chosen[0][0]]]
    first = np.full((len(chosen), len(begin)), NEVER)
    lengths = np.zeros((len(chosen), len(begin)), np.int64)
    for number, (places, cut) in enumerate(chosen):
        first[number, places] = cut.first
        lengths[number, places] = cut.lengths
    order = np.argsort(first, axis=0, kind="stable")
    in_order = np.take_along_axis(lengths, order, 0)
    before = np.empty_like(lengths)
    np.put_along_axis(before, order, np.cumsum(in_order, axis=0) - in_order, 0)
    return [(begin + before[number])[places] for number, (places, _) in enumerate(chosen)]
