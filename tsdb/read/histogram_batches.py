"""Tiles of native histograms, and of floats of series that have both.

Where a series has a float in one layer and a histogram in another one at the same time, the
younger layer's sample stands. So the cuts of both kinds are looked at together for such series;
all other floats are planned as if there were no histograms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from novaql.tsdb.model.batch_tiles import TILE_VALUES
from novaql.tsdb.model.histograms import concat_histograms
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.samples import HistogramTile, Tile
from novaql.tsdb.model.source import HistogramRef, TileRef
from novaql.tsdb.parts.damaged_ranges import readable_slices
from novaql.tsdb.parts.ranges import RangeSlice, have_starts, of_rows
from novaql.tsdb.read.batches import BatchCache, plan_batches

TILE_HISTOGRAMS = 1 << 13
Loaded = TypeVar("Loaded", Tile, HistogramTile)
_NONE, _NO_VALUES = np.empty(0, np.int64), np.empty(0)


def plan_mixed(
    cuts: Sequence[RangeSlice],
    rows: int,
    range_ms: tuple[int, int],
    cache: BatchCache,
    read_errors: ReadErrors | None = None,
) -> tuple[list[TileRef], list[HistogramRef]]:
    """Tiles of floats and of histograms that hold all samples of the cuts.

    cuts      in order of age: of equal series and times the last one counts
    rows      series in the selection's table
    range_ms  first and last time of the range

    Tiles that are loaded raise for damage, or leave out what it hit and note it in `read_errors`.
    """
    native = [cut for cut in cuts if cut.is_native]
    if not native:
        plan = plan_batches(cuts, rows, cache.limit)
        return plan.tiles(*range_ms, cache, read_errors), []
    has_native = np.zeros(rows, np.bool_)
    for cut in native:
        has_native[cut.rows] = True
    floats = [cut for cut in cuts if not cut.is_native]
    plan = plan_batches(of_rows(floats, ~has_native), rows, cache.limit)
    tiles = plan.tiles(*range_ms, cache, read_errors)
    mixed = of_rows(cuts, has_native)
    for members, samples in _pools([c for c in mixed if not c.is_native], rows, TILE_VALUES):
        tiles.append(TileRef(partial(_load_floats, mixed, members, read_errors), samples))
    histograms = [
        HistogramRef(partial(_load_histograms, mixed, members, read_errors), samples)
        for members, samples in _pools(native, rows, TILE_HISTOGRAMS)
    ]
    return tiles, histograms


def _pools(cuts: Sequence[RangeSlice], rows: int, most: int) -> list[tuple[Ints, int]]:
    """Rows that have samples in the cuts, in portions of about `most` samples; and how many."""
    widths = np.zeros(rows, np.int64)
    for cut in cuts:
        widths[cut.rows] += cut.lengths
    there = np.flatnonzero(widths)
    if len(there) == 0:
        return []
    pool = (np.cumsum(widths[there]) - 1) // most
    portions = np.split(there, np.flatnonzero(np.diff(pool)) + 1)
    return [(members, int(widths[members].sum())) for members in portions]


class _Resolved:
    """Samples of one kind of some rows, those that gave way to the other kind left out.

    cuts     the cuts of that kind, cut down to the rows
    places   where each sample is in the samples of these cuts, one cut after the other
    rows     those that have samples, and `offsets` of each one's
    """

    def __init__(self, cuts: Sequence[RangeSlice], members: Ints, *, native: bool) -> None:
        last = max((int(cut.rows.max()) for cut in cuts), default=0)
        wanted = np.zeros(max(last, int(members.max())) + 1, np.bool_)
        wanted[members] = True
        chosen = of_rows(cuts, wanted)
        self.cuts = [cut for cut in chosen if cut.is_native == native]
        owner = np.concatenate([_NONE, *(np.repeat(c.rows, c.lengths) for c in chosen)])
        times = np.concatenate([_NONE, *(cut.times() for cut in chosen)])
        right = np.repeat(
            np.array([cut.is_native == native for cut in chosen], np.bool_),
            np.array([int(cut.lengths.sum()) for cut in chosen], np.int64),
        )
        order = np.lexsort((times, owner))  # stable: of equal ones the youngest comes last
        owner, times = owner[order], times[order]
        stays = np.append((owner[1:] != owner[:-1]) | (times[1:] != times[:-1]), True)[: len(owner)]
        stays &= right[order]
        self.times = times[stays]
        self.places = (np.cumsum(right) - 1)[order[stays]]
        self.rows, counts = np.unique(owner[stays], return_counts=True)
        self.offsets = np.append(0, np.cumsum(counts)).astype(np.int64)

    def starts(self) -> Ints | None:
        """Start timestamps of the samples; None if none has one."""
        if not have_starts(self.cuts):
            return None
        starts = np.concatenate([cut.starts() for cut in self.cuts])[self.places]
        return starts if starts.any() else None


def _load_floats(cuts: Sequence[RangeSlice], members: Ints, read_errors: ReadErrors | None) -> Tile:
    def read(cuts: Sequence[RangeSlice]) -> Tile:
        found = _Resolved(cuts, members, native=False)
        values = np.concatenate([_NO_VALUES, *(cut.values() for cut in found.cuts)])
        starts = found.starts()
        return Tile(found.rows, found.times, values[found.places], found.offsets, starts)

    return _sound(read, cuts, members, read_errors)


def _load_histograms(
    cuts: Sequence[RangeSlice], members: Ints, read_errors: ReadErrors | None
) -> HistogramTile:
    def read(cuts: Sequence[RangeSlice]) -> HistogramTile:
        found = _Resolved(cuts, members, native=True)
        histograms = concat_histograms([cut.histograms() for cut in found.cuts])
        histograms = histograms.take(found.places)
        return HistogramTile(found.rows, found.times, histograms, found.offsets, found.starts())

    return _sound(read, cuts, members, read_errors)


def _sound(
    read: Callable[[Sequence[RangeSlice]], Loaded],
    cuts: Sequence[RangeSlice],
    members: Ints,
    read_errors: ReadErrors | None,
) -> Loaded:
    """What `read` makes of the cuts; where they are damaged, of what is left of them."""
    try:
        return read(cuts)
    except DAMAGE:
        if read_errors is None:
            raise
    wanted = np.zeros(int(max(int(cut.rows.max()) for cut in cuts)) + 1, np.bool_)
    wanted[members] = True
    return read(
        [cut for cut in readable_slices(of_rows(cuts, wanted), read_errors) if len(cut.rows)]
    )
