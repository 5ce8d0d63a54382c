"""Batches out of layers: the same samples as tiles hold, in few large pieces.

Series whose layers follow one another in time are copied piece by piece, those that have layers
side by side are merged first. Batches of pages are kept like tiles.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np

from novaql.tsdb.codec.numba.compiled import ready
from novaql.tsdb.model.labels import Ints, Numbers
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.samples import Floats, Tile
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.parts.damaged_ranges import sound_cuts
from novaql.tsdb.parts.ranges import RangeSlice, bytes_of
from novaql.tsdb.parts.sorted_run import CopyPlan, SortedRun
from novaql.tsdb.read.ragged_merge import (
    TileCache,
    group_rows,
    groups_apart,
    members_of,
    merge_ragged,
    read_ragged,
    row_slots,
    row_widths,
)
from novaql.tsdb.read.staleness import batch_of_tile, split_markers
from novaql.tsdb.runtime.buffer_pool import BUFFERS
from novaql.tsdb.runtime.parallel import ordered_parallel

BATCH_VALUES = 1 << 20
"""8 MiB: a fraction of a millisecond to walk through, thousands of times a call's cost."""
FEW_BATCHES = 4
"""So many are too few: what each costs beside its samples is more than what it saves."""

WORTH_A_THREAD = 1 << 17
"""To decode so many numbers takes a fraction of a millisecond."""
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class BatchPlan:
    """Which series go into which batch. Nothing in it changes, so readers may share it.

    asked      cuts of floats in the range, in order of age: of equal series and times the last one
               counts
    cuts       the same, widened: batches are read from these and so serve other ranges, too
    slots      for each cut: row of the selection → position in the cut, or -1
    widths     [rows] samples of each row
    group      [rows] rows with one number have the same times
    portions   the batches
    keeps      whether the cache holds all of them; if not they go past it: they would put out
               everything else, and be put out themselves before they are asked for again
    """

    asked: Sequence[RangeSlice]
    cuts: Sequence[RangeSlice]
    slots: Sequence[Numbers]
    widths: Ints
    group: Ints
    portions: list[_Portion]
    keeps: bool

    def refs(
        self,
        cache: TileCache,
        read_errors: ReadErrors | None = None,
        *,
        inside: Callable[[], Sequence[RangeSlice]] | None = None,
        share: float = 1.0,
    ) -> list[SeriesBatchRef]:
        """Batches to be loaded; `read_errors` as in `plan_tiles`.

        inside  cuts of the range that is wanted, where the plan is for a wider one: those are read
                if the wider one cannot be
        share   … and how much of the samples that range has
        """
        return [
            SeriesBatchRef(
                partial(portion.load, self, cache, read_errors, inside=inside),
                round(share * portion.samples),
                partial(portion.load, self, cache, read_errors, inside=inside, sketched=True),
            )
            for portion in self.portions
        ]

    @property
    def nbytes(self) -> int:
        """About what keeping it costs, cuts and layouts included."""
        pieces = sum(len(cut.rows) for cut in self.cuts) if self.keeps else 0
        rows = len(self.widths) * (4 * len(self.slots) + 24)
        cuts = self.cuts if self.asked is self.cuts else [*self.asked, *self.cuts]
        return rows + 72 * pieces + bytes_of(cuts) + 1000


def plan_batches(cuts: Sequence[RangeSlice], rows: int, most_kept: int) -> BatchPlan:
    """Batches that hold all samples of cuts of floats; `rows` series in the selection's table.

    Cuts stand in order of age, as for `plan_tiles`; most_kept: bytes that the cache holds.
    """
    asked = cuts
    cuts = [cut if cut.is_in_memory else cut.widened() for cut in asked]
    if all(map(operator.is_, cuts, asked)):
        cuts = asked
    slots, widths = row_slots(cuts, rows), row_widths(cuts, rows)
    keeps = 8 * int(widths.sum()) <= most_kept
    if not cuts:
        return BatchPlan(asked, cuts, slots, widths, widths, [], keeps)
    group, lead = group_rows(cuts, rows)
    apart = groups_apart(cuts, group)
    order = np.lexsort((lead, group))
    order = order[group[order] > 0]
    in_turn = apart[group[order]]
    samples = widths if cuts is asked else row_widths(asked, rows)
    portions = [
        _Portion(members, merged, int(samples[members].sum()))
        for rows_alike, merged in ((order[in_turn], False), (order[~in_turn], True))
        for members in _split(rows_alike, widths)
    ]
    return BatchPlan(asked, cuts, slots, widths, group, portions, keeps)


def _split(order: Ints, widths: Ints) -> list[Ints]:
    """In stretches of `BATCH_VALUES` at most, if no series has more: so most of them take, and
    leave, memory of one size. A few of these make one, which readers take in parts."""
    ends = np.cumsum(widths[order])
    if len(order) and ends.item(-1) <= FEW_BATCHES * BATCH_VALUES:
        return [order]
    stretches: list[Ints] = []
    begin, before = 0, 0
    while begin < len(order):
        end = int(ends.searchsorted(before + BATCH_VALUES, side="right"))
        end = max(end, begin + 1)
        stretches.append(order[begin:end])
        begin, before = end, int(ends[end - 1])
    return stretches


class _Portion:
    """Rows that make one batch.

    merged   their layers overlap in time: samples have to be sorted
    samples  of the range
    """

    __slots__ = ("_key", "_layout", "members", "merged", "samples")

    def __init__(self, members: Ints, merged: bool, samples: int) -> None:
        self.members, self.merged, self.samples = members, merged, samples
        self._key: tuple[object, ...] | None = None
        self._layout: _Layout | None = None

    def load(
        self,
        plan: BatchPlan,
        cache: TileCache,
        read_errors: ReadErrors | None,
        *,
        inside: Callable[[], Sequence[RangeSlice]] | None,
        sketched: bool = False,
    ) -> SeriesBatch:
        """Read it, or find it in the cache. sketched: a `SeriesBatchRef.sketch` will do."""
        if self._key is None:
            self._key = self._content(plan)
        key = self._key
        found = cache.get(key) if key else None
        if sketched and not isinstance(found, SeriesBatch):
            key = ("sketch", *key) if key else ()
            found = cache.get(key) if key else None
        if isinstance(found, SeriesBatch):
            return found
        try:
            found = self._read(plan, sketched=sketched)
        except DAMAGE:
            cuts, slots = plan.asked, plan.slots
            if inside is not None:
                cuts = inside()
                slots = row_slots(cuts, len(plan.widths))
            return self._undamaged(cuts, slots, read_errors)
        if key and plan.keeps:
            cache.put(key, found)
        return found

    def _read(self, plan: BatchPlan, *, sketched: bool) -> SeriesBatch:
        if self.merged:
            return _load_merged(plan, self.members)
        layout = self._layout or _in_turn(plan, self.members)
        # What goes past the cache takes long to read, and there are many such portions.
        if plan.keeps:
            self._layout = layout
        return _load_in_turn(layout, self.members, keep=plan.keeps, sketched=sketched)

    def _undamaged(
        self, cuts: Sequence[RangeSlice], slots: Sequence[Numbers], read_errors: ReadErrors | None
    ) -> SeriesBatch:
        """What can be read of the range alone. Not kept: a later reader has to hear of it, too."""
        members = np.sort(self.members)
        chosen = members_of(cuts, slots, members)
        try:
            arrays = merge_ragged(chosen, members)
        except DAMAGE:
            if read_errors is None:
                raise
            arrays = merge_ragged(sound_cuts(chosen, read_errors), members)
        return batch_of_tile(Tile(members, *arrays))

    def _content(self, plan: BatchPlan) -> tuple[object, ...]:
        """Equal for batches of the same samples; empty: it is not to be kept."""
        chosen = members_of(plan.cuts, plan.slots, self.members)
        if all(cut.is_in_memory for cut in chosen):
            return ()
        rows = blake2b(self.members.tobytes(), digest_size=16).digest()
        return ("batch", rows, *(cut.key() for cut in chosen))


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """What one layer gives to a batch: pieces of its streams, and where they go.

    series                               of the layer, whose values they are
    places, starts, lengths              of values
    time_places, time_starts, time_lengths  of times, those of one series of each grid
    of_values, of_times                  what the streams note about these pieces
    """

    stratum: SortedRun
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
class _Layout:
    """A batch but for its numbers, and where these are."""

    offsets: Ints
    grid: Ints
    grid_offsets: Ints
    layers: list[_Layer]


def _values_of(layer: _Layer, values: Floats, *, keep: bool, sketched: bool) -> CopyPlan:
    """sketched: of those series alone that may have staleness markers, if these are not most."""
    pieces = layer.places, layer.starts, layer.lengths
    if sketched and layer.stratum.unmarked is not None:
        marked = np.flatnonzero(~layer.stratum.unmarked(layer.series))
        if 2 * len(marked) < len(layer.series):
            pieces = layer.places[marked], layer.starts[marked], layer.lengths[marked]
            return layer.stratum.values.plan_copy(values, *pieces, keep=keep)
    return layer.stratum.values.plan_copy(values, *pieces, keep=keep, notes=layer.of_values)


def _in_turn(plan: BatchPlan, members: Ints) -> _Layout:
    widths = plan.widths[members]
    offsets = np.append(0, np.cumsum(widths))
    group = plan.group[members]
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    grid = np.cumsum(np.diff(group, prepend=-1) != 0) - 1
    grid_offsets = np.append(0, np.cumsum(widths[firsts]))
    chosen = [
        (places, cut.take(slot[members[places]].astype(np.int64)))
        for cut, slot in zip(plan.cuts, plan.slots, strict=True)
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
    return _Layout(offsets, grid, grid_offsets, layers)


def _load_in_turn(layout: _Layout, members: Ints, *, keep: bool, sketched: bool) -> SeriesBatch:
    values = BUFFERS.floats(int(layout.offsets[-1]))
    times = BUFFERS.ints(int(layout.grid_offsets[-1]))
    placings = [_values_of(layer, values, keep=keep, sketched=sketched) for layer in layout.layers]
    of_values = sum(len(plan_copy.parts) for plan_copy in placings)
    placings += [
        layer.stratum.times.plan_copy(
            times,
            layer.time_places,
            layer.time_starts,
            layer.time_lengths,
            keep=keep,
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
        return _load_in_turn(layout, members, keep=keep, sketched=False)
    batch = SeriesBatch(members, values, layout.offsets, layout.grid, times, layout.grid_offsets)
    compiled = ready(len(values))
    tools = None if compiled is None else compiled.holes
    return split_markers(batch, tools, at=markers)


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


def _load_merged(plan: BatchPlan, members: Ints) -> SeriesBatch:
    members = np.sort(members)
    times, values, offsets = read_ragged(members_of(plan.cuts, plan.slots, members), members)
    return batch_of_tile(Tile(members, times, values, offsets))
