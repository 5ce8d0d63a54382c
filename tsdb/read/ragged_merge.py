"""Tiles out of layers: which series of which layer go into which tile, and how it is read.

Planning looks at directories only (and at the few timestamps that the range cuts through); values
are read when a tile is loaded. Series that share their timestamps in every layer make regular
tiles. Small groups, and series whose layers overlap in time, are pooled into ragged ones.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints, Numbers, combine_codes
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.samples import Floats, Tile
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.model.source import TileRef
from novaql.tsdb.parts.damaged_ranges import readable_slices
from novaql.tsdb.parts.ranges import RangeSlice, of_rows, started_rows
from novaql.tsdb.parts.sorted_run import ArrayStream
from novaql.tsdb.runtime.lru_cache import ByteCache

TILE_VALUES = 1 << 17
REGULAR_FROM = 4096
"""A group with fewer values than this is pooled: the cost of a tile would outweigh its worth."""

TileArrays = tuple[Ints, Floats, Ints | None]
TileCache = ByteCache["TileArrays | SeriesBatch"]


def tile_bytes(arrays: TileArrays | SeriesBatch) -> int:
    if isinstance(arrays, SeriesBatch):
        return arrays.nbytes
    return sum(array.nbytes for array in arrays if array is not None)


def plan_tiles(
    cuts: Sequence[RangeSlice], rows: int, cache: TileCache, read_errors: ReadErrors | None = None
) -> list[TileRef]:
    """Tiles that hold all samples of cuts of floats; `rows` series in the selection's table.

    Cuts stand in order of age: of equal series and times the last one counts. Tiles that are
    loaded raise for damage, or leave out what it hit and note it in `read_errors`.
    """
    started = started_rows(cuts, rows)
    if started is None:
        return _plan_plain(cuts, rows, cache, read_errors)
    return [
        *_plan_plain(of_rows(cuts, ~started), rows, cache, read_errors),
        *_plan_started(of_rows(cuts, started), rows, read_errors),
    ]


def _plan_started(
    cuts: Sequence[RangeSlice], rows: int, read_errors: ReadErrors | None
) -> list[TileRef]:
    """Ragged tiles of rows that have start timestamps."""
    slots, widths = row_slots(cuts, rows), row_widths(cuts, rows)
    there = np.flatnonzero(widths)
    pool = (np.cumsum(widths[there]) - 1) // TILE_VALUES
    return [
        TileRef(
            partial(_load_started, cuts, slots, members, read_errors), int(widths[members].sum())
        )
        for members in np.split(there, np.flatnonzero(np.diff(pool)) + 1)
    ]


def _load_started(
    cuts: Sequence[RangeSlice], slots: Sequence[Numbers], rows: Ints, read_errors: ReadErrors | None
) -> Tile:
    chosen = members_of(cuts, slots, rows)
    try:
        if len(chosen) == 1:
            times, values, offsets = read_ragged(chosen, rows)
            return Tile(rows, times, values, offsets, _unless_none(chosen[0].starts()))
        return _merge_started(chosen, rows)
    except DAMAGE:
        if read_errors is None:
            raise
    return _merge_started(readable_slices(chosen, read_errors), rows)


def _merge_started(cuts: Sequence[RangeSlice], rows: Ints) -> Tile:
    times, places, offsets = _resolved(cuts, rows)
    values = np.concatenate([cut.values() for cut in cuts])[places]
    starts = np.concatenate([cut.starts() for cut in cuts])[places]
    return Tile(rows, times, values, offsets, _unless_none(starts))


def _unless_none(starts: Ints) -> Ints | None:
    return starts if starts.any() else None


def _plan_plain(
    cuts: Sequence[RangeSlice], rows: int, cache: TileCache, read_errors: ReadErrors | None
) -> list[TileRef]:
    """Tiles without start timestamps."""
    if not cuts:
        return []
    group, lead = group_rows(cuts, rows)
    apart = groups_apart(cuts, group)
    widths = row_widths(cuts, rows)
    counts = np.bincount(group)
    group_width = np.zeros(len(counts), np.int64)
    group_width[group] = widths
    regular = apart & (counts > 1) & (counts * group_width >= REGULAR_FROM)
    regular[0] = False
    order = np.lexsort((lead, group))
    order = order[group[order] > 0]
    in_regular = regular[group[order]]
    slots = row_slots(cuts, rows)
    refs = []
    for members in _split_groups(order[in_regular], group, group_width):
        width = int(group_width[group[members[0]]])
        load = partial(_load, _load_regular, cuts, slots, members, cache, read_errors)
        refs.append(TileRef(load, width * len(members)))
    rest = order[~in_regular]
    if len(rest):
        rest = rest[np.argsort(lead[rest], kind="stable")]
        pool = (np.cumsum(widths[rest]) - 1) // TILE_VALUES
        for members in np.split(rest, np.flatnonzero(np.diff(pool)) + 1):
            load = partial(_load, _load_ragged, cuts, slots, members, cache, read_errors)
            refs.append(TileRef(load, int(widths[members].sum())))
    return refs


def row_slots(cuts: Sequence[RangeSlice], rows: int) -> list[Numbers]:
    """For each cut: table row → position in the cut, -1 where it has no such row."""
    slots: list[Numbers] = []
    for cut in cuts:
        slot = np.full(rows, -1, np.int32)
        slot[cut.rows] = np.arange(len(cut.rows))
        slots.append(slot)
    return slots


def row_widths(cuts: Sequence[RangeSlice], rows: int) -> Ints:
    widths = np.zeros(rows, np.int64)
    for cut in cuts:
        widths[cut.rows] += cut.lengths
    return widths


def group_rows(cuts: Sequence[RangeSlice], rows: int) -> tuple[Ints, Ints]:
    """Group of each row, and a number by which rows stand in the order of the youngest layer.

    Rows of one group have the same times in every layer. Group 0: rows without samples.
    """
    lead = np.zeros(rows, np.int64)
    for cut in cuts:
        lead[cut.rows] = cut.series
    codes = (_times_of_rows(cut, rows) for cut in cuts)  # one at a time: there may be many cuts
    group = combine_codes(codes, rows) if len(cuts) > 1 else next(codes)
    absent = np.ones(rows, np.bool_)
    for cut in cuts:
        absent[cut.rows] = False
    _, dense = np.unique(np.append(-1, np.where(absent, -1, group)), return_inverse=True)
    return dense[1:].astype(np.int64), lead


def _times_of_rows(cut: RangeSlice, rows: int) -> Ints:
    """[rows]: equal numbers for equal times in a cut, 0 for rows that it does not have."""
    code = np.zeros(rows, np.int64)
    code[cut.rows] = _times_of(cut) + 1
    return code


def _times_of(cut: RangeSlice) -> Ints:
    """[series]: equal numbers for equal times."""
    grids = cut.run.grid_of[cut.series]
    low, high = np.empty((2, int(grids.max()) + 1), np.int64)
    low[grids], high[grids] = cut.low, cut.high
    if (low[grids] == cut.low).all() and (high[grids] == cut.high).all():
        return grids
    # Of series of one grid different parts were deleted.
    return combine_codes([grids, cut.low, cut.high], len(grids))


def groups_apart(cuts: Sequence[RangeSlice], group: Ints) -> Bools:
    """For each group whether its layers follow one another in time, none overlapping another."""
    count = int(group.max()) + 1
    if len(cuts) == 1:
        return np.ones(count, np.bool_)
    never = np.iinfo(np.int64).max
    first = np.full((len(cuts), count), never)
    last = np.full((len(cuts), count), never)
    for number, cut in enumerate(cuts):
        first[number, group[cut.rows]] = cut.first
        last[number, group[cut.rows]] = cut.last
    order = np.argsort(first, axis=0, kind="stable")
    first = np.take_along_axis(first, order, 0)
    last = np.take_along_axis(last, order, 0)
    apart: Bools = ((last[:-1] < first[1:]) | (first[1:] == never)).all(axis=0)
    return apart


def _split_groups(order: Ints, group: Ints, group_width: Ints) -> list[Ints]:
    """Members of each group, in portions of about `TILE_VALUES` values."""
    if len(order) == 0:
        return []
    groups = group[order]
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    within = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    tall = np.maximum(1, TILE_VALUES // group_width[groups])
    return np.split(order, np.flatnonzero(within % tall == 0)[1:])


def members_of(
    cuts: Sequence[RangeSlice], slots: Sequence[Numbers], rows: Ints
) -> list[RangeSlice]:
    chosen = []
    for cut, slot in zip(cuts, slots, strict=True):
        places = slot[rows].astype(np.int64)
        places = places[places >= 0]
        if len(places):
            chosen.append(cut.take(places))
    return chosen


def _load(
    load: Callable[[Sequence[RangeSlice], Ints, TileCache], Tile],
    cuts: Sequence[RangeSlice],
    slots: Sequence[Numbers],
    rows: Ints,
    cache: TileCache,
    read_errors: ReadErrors | None,
) -> Tile:
    chosen = members_of(cuts, slots, rows)
    try:
        return load(chosen, rows, cache)
    except DAMAGE:
        if read_errors is None:
            raise
    # Not kept: a later reader has to hear of the damage, too.
    return Tile(rows, *merge_ragged(readable_slices(chosen, read_errors), rows))


def _load_regular(cuts: Sequence[RangeSlice], rows: Ints, cache: TileCache) -> Tile:
    chosen = sorted(cuts, key=lambda cut: int(cut.first[0]))
    if all(cut.is_in_memory for cut in chosen):
        times, values, _ = _read_regular(chosen, len(rows))
        return Tile(rows, times, values)
    key = ("regular", *(cut.key() for cut in chosen))
    arrays = cache.get(key)
    if arrays is None or isinstance(arrays, SeriesBatch):
        arrays = _read_regular(chosen, len(rows))
        cache.put(key, arrays)
    return Tile(rows, arrays[0], arrays[1])


def _read_regular(cuts: Sequence[RangeSlice], series: int) -> TileArrays:
    one = np.zeros(1, np.int64)
    times = [cut.take(one).times() for cut in cuts]
    if len(cuts) == 1 and isinstance(cuts[0].floats.values, ArrayStream):
        return times[0], cuts[0].values().reshape(series, -1), None  # often a view, no copy
    values = np.empty((series, sum(len(part) for part in times)))
    at = 0
    for cut, part in zip(cuts, times, strict=True):
        starts = cut.run.value_start[cut.series] + cut.low
        cut.floats.values.fill(values[:, at : at + len(part)], starts)
        at += len(part)
    return times[0] if len(times) == 1 else np.concatenate(times), values, None


def _load_ragged(chosen: Sequence[RangeSlice], rows: Ints, cache: TileCache) -> Tile:
    if len(chosen) == 1 and chosen[0].is_in_memory:
        return Tile(rows, *read_ragged(chosen, rows))
    key: Hashable = ("ragged", rows.tobytes(), *((cut.key(), cut.rows.tobytes()) for cut in chosen))
    if len(chosen) == 1:
        key = ("ragged", chosen[0].key())
    arrays = cache.get(key)
    if arrays is None or isinstance(arrays, SeriesBatch):
        arrays = read_ragged(chosen, rows)
        cache.put(key, arrays)
    return Tile(rows, *arrays)


def read_ragged(cuts: Sequence[RangeSlice], rows: Ints) -> TileArrays:
    if len(cuts) == 1:
        return cuts[0].times(), cuts[0].values(), np.append(0, np.cumsum(cuts[0].lengths))
    return merge_ragged(cuts, rows)


def merge_ragged(cuts: Sequence[RangeSlice], rows: Ints) -> TileArrays:
    """Series may stand in several cuts, or several times in one. Of equal times the last stands."""
    times, places, offsets = _resolved(cuts, rows)
    return times, np.concatenate([cut.values() for cut in cuts])[places], offsets


def _resolved(cuts: Sequence[RangeSlice], rows: Ints) -> tuple[Ints, Ints, Ints]:
    """Times of the samples that stand, their places among those of all cuts, and offsets."""
    place = np.zeros(int(rows.max()) + 1, np.int64)
    place[rows] = np.arange(len(rows))
    owner = np.concatenate([np.repeat(place[cut.rows], cut.lengths) for cut in cuts])
    times = np.concatenate([cut.times() for cut in cuts])
    order = np.lexsort((times, owner))  # stable: of equal ones the youngest layer comes last
    owner, times = owner[order], times[order]
    stays = np.append((owner[1:] != owner[:-1]) | (times[1:] != times[:-1]), True)[: len(owner)]
    if not stays.all():
        owner, times, order = owner[stays], times[stays], order[stays]
    counts = np.bincount(owner, minlength=len(rows))
    return times, order, np.append(0, np.cumsum(counts))
