"""Which series of a part have samples about a range of time: what a long history is passed over by.

Where series come and go, a block of a day holds many times as many as live at any moment. Their
grids say from when to when each one lived, so those of a short range are found before a matcher
looks at anything. Ranges are widened to whole slices of the part's time: then a query that moves
on asks for the same series most of the time, and what was found for them is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import DAMAGE
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.part import Layer
from novaql.tsdb.runtime.lru_cache import ByteCache, each

SLICES = 128
"""Into so many is the time of a part cut."""
MOST_RANGES = 16
"""Ranges whose active rows are cached."""
FEW_SERIES = 1024
"""Of so many none is passed over: to look at their times costs as much."""
MOST = 0.75
"""With more than this share of the grids alive there is nothing to be passed over."""


@dataclass(slots=True, eq=False)
class ActiveRows:
    """Series with grids that reach into some slices of a part.

    slices  the first and the last one, which is all that it depends on
    grids   for each layer whether a grid reaches into them
    """

    slices: tuple[int, int]
    layers: Sequence[Layer]
    grids: Sequence[Bools]
    _all: Ints | None = None

    def among(self, rows: Ints) -> Ints:
        """Those of these index rows, which increase."""
        kept = np.zeros(len(rows), np.bool_)
        for layer, living in zip(self.layers, self.grids, strict=True):
            at, series = layer.locate(rows)
            kept[at] |= living[layer.stratum.grid_of[series]]
        return rows[kept]

    def rows(self, count: int) -> Ints:
        """All of them, of a part with so many index rows."""
        if self._all is None:
            self._all = self.among(np.arange(count)).astype(np.int32)
        return self._all.astype(np.int64)


class SeriesTimeIndex:
    """Of one part, which never changes. Safe to use from several threads."""

    def __init__(self, first_ms: int, last_ms: int, layers: Sequence[Layer]) -> None:
        self._first_ms, self._last_ms = first_ms, last_ms
        self._few = sum(len(layer.stratum.grid_of) for layer in layers) <= FEW_SERIES
        self._width_ms = -(-(last_ms - first_ms + 1) // SLICES)
        self._layers = layers
        self._known: ByteCache[tuple[ActiveRows | None]] = ByteCache(MOST_RANGES, each)

    def living(self, start_ms: int, end_ms: int) -> ActiveRows | None:
        """At least the series with samples in a range, which overlaps the part.

        None: it is not worth asking, since most of them have or there are few.
        """
        begin, end = max(start_ms, self._first_ms), max(end_ms, self._first_ms)
        begin, end = min(begin, self._last_ms), min(end, self._last_ms)
        if self._few or 2 * (end - begin) > self._last_ms - self._first_ms:
            return None
        low, high = ((ms - self._first_ms) // self._width_ms for ms in (begin, end))
        slices = (low, high)
        known = self._known.get(slices)
        if known is None:
            known = (self._find(slices),)
            self._known.put(slices, known)
        return known[0]

    def _find(self, slices: tuple[int, int]) -> ActiveRows | None:
        """Where directories are damaged nothing is known: who needs that part will notice."""
        low, high = slices
        begin = self._first_ms + low * self._width_ms
        end = self._first_ms + (high + 1) * self._width_ms - 1
        try:
            grids = [
                (whole(layer.stratum.grid_first) <= end) & (whole(layer.stratum.grid_last) >= begin)
                for layer in self._layers
            ]
        except DAMAGE:
            return None
        if sum(map(np.count_nonzero, grids)) > MOST * sum(map(len, grids)):
            return None
        return ActiveRows(slices, self._layers, grids)
