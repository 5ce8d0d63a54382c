"""Bundles out of layers: the same samples as tiles hold, in few large pieces.

Series whose layers follow one another in time are copied piece by piece, those that have layers
side by side are merged first. Bundles of pages are kept like tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from tsdb.assemble import (
    TileCache,
    group_rows,
    groups_apart,
    members_of,
    merge_ragged,
    read_ragged,
    row_slots,
    row_widths,
)
from tsdb.bundle import Bundle, BundleRef, piece_positions, split_markers
from tsdb.cuts import Cut
from tsdb.damage import DAMAGE, Losses
from tsdb.labels import Ints
from tsdb.salvage import sound_cuts
from tsdb.tile import Floats, Tile

BUNDLE_VALUES = 1 << 20
"""8 MiB: a fraction of a millisecond to walk through, thousands of times a call's cost."""

NEVER = np.iinfo(np.int64).max


def plan_bundles(
    cuts: Sequence[Cut], rows: int, cache: TileCache, losses: Losses | None = None
) -> list[BundleRef]:
    """Bundles that hold all samples of cuts of floats; `rows` series in the selection's table.

    As `plan_tiles`, also in what order of age, and damage to what is read, mean.
    """
    if not cuts:
        return []
    group, lead = group_rows(cuts, rows)
    apart = groups_apart(cuts, group)
    order = np.lexsort((lead, group))
    order = order[group[order] > 0]
    in_turn = apart[group[order]]
    slots, widths = row_slots(cuts, rows), row_widths(cuts, rows)
    portions = _Portions(cuts, slots, widths, group, cache, losses)
    return [
        *portions.refs(order[in_turn], _load_in_turn),
        *portions.refs(order[~in_turn], _load_merged),
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Portions:
    """What rows of the selection are cut into bundles with. Arrays are [rows] but for `slots`."""

    cuts: Sequence[Cut]
    slots: Sequence[Ints]
    widths: Ints
    group: Ints
    cache: TileCache
    losses: Losses | None

    def refs(self, order: Ints, load: Callable[[_Portions, Ints], Bundle]) -> list[BundleRef]:
        if len(order) == 0:
            return []
        widths = self.widths[order]
        portion = (np.cumsum(widths) - 1) // BUNDLE_VALUES
        bounds = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist(), len(order)]
        refs = []
        for first, end in pairwise(bounds):
            kept = _Kept(self, order[first:end], load)
            refs.append(BundleRef(kept, int(widths[first:end].sum())))
        return refs


class _Kept:
    """Loads a bundle, or finds it in the cache."""

    __slots__ = ("_key", "_load", "_members", "_portions")

    def __init__(
        self, portions: _Portions, members: Ints, load: Callable[[_Portions, Ints], Bundle]
    ) -> None:
        self._portions, self._members, self._load = portions, members, load
        self._key: tuple[object, ...] | None = None

    def __call__(self) -> Bundle:
        if self._key is None:
            self._key = self._content()
        cache = self._portions.cache
        found = cache.get(self._key) if self._key else None
        if isinstance(found, Bundle):
            return found
        try:
            found = self._load(self._portions, self._members)
        except DAMAGE:
            losses = self._portions.losses
            if losses is None:
                raise
            # Not kept: a later reader has to hear of the damage, too.
            return self._sound(losses)
        if self._key:
            cache.put(self._key, found)
        return found

    def _sound(self, losses: Losses) -> Bundle:
        portions, members = self._portions, np.sort(self._members)
        chosen = members_of(portions.cuts, portions.slots, members)
        arrays = merge_ragged(sound_cuts(chosen, losses), members)
        return Bundle.of_tile(Tile(members, *arrays))

    def _content(self) -> tuple[object, ...]:
        """Equal for bundles of the same samples; empty: it is not to be kept."""
        portions, members = self._portions, self._members
        chosen = members_of(portions.cuts, portions.slots, members)
        if all(cut.is_in_memory for cut in chosen):
            return ()
        rows = blake2b(members.tobytes(), digest_size=16).digest()
        return ("bundle", rows, *(cut.key() for cut in chosen))


def _load_in_turn(portions: _Portions, members: Ints) -> Bundle:
    widths = portions.widths[members]
    offsets = np.append(0, np.cumsum(widths))
    group = portions.group[members]
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    grid = np.cumsum(np.diff(group, prepend=-1) != 0) - 1
    grid_offsets = np.append(0, np.cumsum(widths[firsts]))
    chosen = [
        (places, cut.take(slot[members[places]]))
        for cut, slot in zip(portions.cuts, portions.slots, strict=True)
        if len(places := np.flatnonzero(slot[members] >= 0))
    ]
    starts = _starts_in_turn(chosen, offsets[:-1])
    is_first = np.zeros(len(members), np.bool_)
    is_first[firsts] = True
    values: Floats = np.empty(int(offsets[-1]))
    times = np.empty(int(grid_offsets[-1]), np.int64)
    shift = grid_offsets[:-1] - offsets[firsts]  # from a first member's samples to its grid's times
    for (places, cut), start in zip(chosen, starts, strict=True):
        lengths = cut.high - cut.low
        _put(values, start, lengths, cut.values())
        some = np.flatnonzero(is_first[places])
        begin = start[some] + shift[grid[places[some]]]
        _put(times, begin, lengths[some], cut.take(some).times())
    return split_markers(Bundle(members, values, offsets, grid, times, grid_offsets))


def _starts_in_turn(chosen: Sequence[tuple[Ints, Cut]], begin: Ints) -> list[Ints]:
    """Where each cut's pieces go: a series' one after the other in time, from `begin` [S] on."""
    if len(chosen) == 1:
        return [begin[chosen[0][0]]]
    first = np.full((len(chosen), len(begin)), NEVER)
    lengths = np.zeros((len(chosen), len(begin)), np.int64)
    for number, (places, cut) in enumerate(chosen):
        first[number, places] = cut.first
        lengths[number, places] = cut.high - cut.low
    order = np.argsort(first, axis=0, kind="stable")
    in_order = np.take_along_axis(lengths, order, 0)
    before = np.empty_like(lengths)
    np.put_along_axis(before, order, np.cumsum(in_order, axis=0) - in_order, 0)
    return [(begin + before[number])[places] for number, (places, _) in enumerate(chosen)]


def _put(out: Floats | Ints, starts: Ints, lengths: Ints, flat: Floats | Ints) -> None:
    """Copy pieces that lie end to end in `flat` to their places."""
    if len(starts) == 0:
        return
    width = int(lengths[0])
    if bool((lengths == width).all()):
        step = int(starts[1] - starts[0]) if len(starts) > 1 else width
        if bool((np.diff(starts) == step).all()):
            begin = int(starts[0])
            rows = np.lib.stride_tricks.as_strided(
                out[begin:], (len(starts), width), (8 * step, 8), writeable=True
            )
            rows[:] = flat.reshape(len(starts), width)
            return
    out[piece_positions(starts, lengths)] = flat


def _load_merged(portions: _Portions, members: Ints) -> Bundle:
    members = np.sort(members)
    times, values, offsets = read_ragged(
        members_of(portions.cuts, portions.slots, members), members
    )
    return Bundle.of_tile(Tile(members, times, values, offsets))
