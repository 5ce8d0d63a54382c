"""Which series of a part have samples near a range of time: queries of a short range skip the
others.

Where series come and go, a block of a day has many times as many as are active at any moment. The
bounds of their grids select those of a short range before any matcher is evaluated. Ranges are
widened to slices of the part's time, so that a range that advances with time mostly selects the
same series, and results cached for these series apply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import DAMAGE
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.part import Layer
from novaql.tsdb.runtime.lru_cache import ByteCache, each

SLICES = 128
"""The time of a part is divided into this many slices."""
CACHED_RANGES = 16
"""Number of ranges of which the active series are cached."""
FEW_SERIES = 1024
"""A part with at most this many series has no filter: checking their times costs as much."""
MAX_ACTIVE_SHARE = 0.75
"""If more than this share of the grids is active, no filter is used."""


@dataclass(slots=True, eq=False)
class ActiveRows:
    """Series with grids that overlap some slices of a part.

    slices  the first and the last slice, which determine the series
    grids   for each layer which grids overlap the slices
    """

    slices: tuple[int, int]
    layers: Sequence[Layer]
    grids: Sequence[Bools]
    _all: Ints | None = None

    @property
    def nbytes(self) -> int:
        """The size, as if all series were active."""
        return sum(map(len, self.grids)) + 4 * sum(len(one.run.grid_of) for one in self.layers)

    def among(self, rows: Ints) -> Ints:
        """Return the active ones of these index rows, which increase."""
        active = np.zeros(len(rows), np.bool_)
        for layer, overlapping in zip(self.layers, self.grids, strict=True):
            at, series = layer.locate(rows)
            active[at] |= overlapping[layer.run.grid_of[series]]
        return rows[active]

    def rows(self, count: int) -> Ints:
        """Return all active rows of a part with this many index rows."""
        if self._all is None:
            self._all = self.among(np.arange(count)).astype(np.int32)
        return self._all.astype(np.int64)


class SeriesTimeIndex:
    """The time index of one part. Safe to use from several threads."""

    def __init__(
        self,
        first_ms: int,
        last_ms: int,
        layers: Sequence[Layer],
        grew: Callable[[int], None],
    ) -> None:
        """grew: called with the bytes of each range, until as many are cached as can be."""
        self._first_ms, self._last_ms = first_ms, last_ms
        self._few = sum(len(layer.run.grid_of) for layer in layers) <= FEW_SERIES
        self._width_ms = -(-(last_ms - first_ms + 1) // SLICES)
        self._layers = layers
        self._grew = grew
        self._known: ByteCache[tuple[ActiveRows | None]] = ByteCache(CACHED_RANGES, each)

    def active_rows(self, start_ms: int, end_ms: int) -> ActiveRows | None:
        """Return at least the series with samples in a range, which overlaps the part.

        None: most series are active, or there are few.
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
            more = len(self._known) < CACHED_RANGES
            self._known.put(slices, known)
            if more and known[0] is not None:
                self._grew(known[0].nbytes)
        return known[0]

    def _find(self, slices: tuple[int, int]) -> ActiveRows | None:
        """Returns None if directories are damaged; a reader that needs them reports the error."""
        low, high = slices
        begin = self._first_ms + low * self._width_ms
        end = self._first_ms + (high + 1) * self._width_ms - 1
        try:
            grids = [
                (whole(layer.run.grid_first) <= end) & (whole(layer.run.grid_last) >= begin)
                for layer in self._layers
            ]
        except DAMAGE:
            return None
        if sum(map(np.count_nonzero, grids)) > MAX_ACTIVE_SHARE * sum(map(len, grids)):
            return None
        return ActiveRows(slices, self._layers, grids)
