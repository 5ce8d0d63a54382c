"""Tiles as views of batches: matrices of series that share timestamps, and the other series.

NumPy kernels work on tiles of about `TILE_VALUES` samples, which fit into the processor's cache.
A batch holds several of them. A tile of a group of series that share their timestamps is a view.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE, Tile
from novaql.tsdb.model.series_batch import SeriesBatch

TILE_VALUES = 1 << 17
REGULAR_FROM = 4096
"""Groups of fewer values share a tile: a tile of their own would cost more than it saves."""

Places = Ints | slice
"""Series of a batch, by their position in it."""


class BatchTiles:
    """Tiles of the samples of a batch that lie in a range.

    start_ms, end_ms  the range
    exact    False: samples outside the range do no harm, and may be in a tile if that saves a copy
    markers  with staleness markers among the samples
    """

    def __init__(
        self,
        batch: SeriesBatch,
        start_ms: int,
        end_ms: int,
        *,
        exact: bool = True,
        markers: bool = True,
    ) -> None:
        self._batch, self._exact = batch, exact
        self._range = start_ms, end_ms
        self._markers = batch.markers if markers else None
        # [G] positions of the first sample of the range, and one past the last, in each grid.
        self._low = _positions(batch.times, batch.grid_offsets, start_ms)
        self._high = _positions(batch.times, batch.grid_offsets, end_ms + 1)

    def __iter__(self) -> Iterator[Tile]:
        """All series."""
        batch = self._batch
        widths = (self._high - self._low)[batch.grid]
        for some in split_tiles(batch.grid, widths, regular=batch.starts is None):
            yield self.tile(some)

    def tile(self, places: Places) -> Tile:
        """The samples of some series in the range, staleness markers among them."""
        batch = self._batch
        rows, grid = batch.rows[places], batch.grid[places]
        begins, ends = batch.offsets[:-1][places], batch.offsets[1:][places]
        times_at = batch.grid_offsets[grid]
        low, high = self._low[grid], self._high[grid]
        marked = self._markers is not None and self._has_markers(places)
        if isinstance(places, slice) and batch.starts is None and not marked:
            if bool((grid == grid[0]).all()):
                width = int(ends[0] - begins[0])
                matrix = batch.values[int(begins[0]) : int(ends[-1])].reshape(len(rows), width)
                when = batch.times[int(times_at[0]) : int(times_at[0]) + width]
                some = slice(int(low[0]), int(high[0]))
                if not self._exact and 4 * (some.stop - some.start) >= 3 * width:
                    some = slice(None)  # `take` copies what is not contiguous
                return Tile(rows, when[some], matrix[:, some])
            every, taken = int(ends[-1] - begins[0]), int((high - low).sum())
            whole = taken == every or (not self._exact and 2 * taken >= every)
            if whole and bool((grid[1:] - grid[:-1] == 1).all()):
                # Each series has a grid of its own, so that times and values are in one order.
                when = batch.times[int(times_at[0]) : int(times_at[0]) + every]
                offsets = np.append(begins, ends[-1]) - begins[0]
                return Tile(rows, when, batch.values[int(begins[0]) : int(ends[-1])], offsets)
        lengths = high - low
        at = flat_positions(begins + low, lengths)
        times = batch.times[flat_positions(times_at + low, lengths)]
        starts = None if batch.starts is None else batch.starts[at]
        offsets = np.append(0, np.cumsum(lengths))
        found = Tile(rows, times, batch.values[at], offsets, starts)
        if marked:
            found = self._with_markers(found, places)
        if found.starts is not None and not found.starts.any():
            found = Tile(rows, found.timestamps, found.values, found.offsets)
        return found

    def _has_markers(self, places: Places) -> bool:
        markers = self._markers
        assert markers is not None
        return bool((markers.offsets[1:][places] > markers.offsets[:-1][places]).any())

    def _with_markers(self, found: Tile, places: Places) -> Tile:
        """A ragged tile with the staleness markers of its series; regular if all times agree."""
        markers, series = self._markers, len(found.rows)
        assert markers is not None
        assert found.offsets is not None
        begins = markers.offsets[:-1][places]
        lengths = markers.offsets[1:][places] - begins
        at = flat_positions(begins, lengths)
        owner = np.repeat(np.arange(series), lengths)
        inside = (markers.times[at] >= self._range[0]) & (markers.times[at] <= self._range[1])
        at, owner = at[inside], owner[inside]
        owner = np.append(np.repeat(np.arange(series), np.diff(found.offsets)), owner)
        times = np.append(found.timestamps, markers.times[at])
        order = np.lexsort((times, owner))
        times = times[order]
        values = np.append(found.values, np.full(len(at), STALE))[order]
        counts = np.bincount(owner, minlength=series)
        starts = None
        if found.starts is not None:
            of_markers = (
                np.zeros(len(at), np.int64) if markers.starts is None else markers.starts[at]
            )
            starts = np.append(found.starts, of_markers)[order]
        elif series > 1 and len(times) and bool((counts == counts[0]).all()):
            by_series = times.reshape(series, -1)
            if bool((by_series == by_series[0]).all()):
                return Tile(found.rows, by_series[0].copy(), values.reshape(series, -1))
        return Tile(found.rows, times, values, np.append(0, np.cumsum(counts)), starts)


def _positions(times: Ints, offsets: Ints, bound_ms: int) -> Ints:
    """[G]: how many times of each grid, which increase, lie before a bound."""
    low, high = offsets[:-1].copy(), offsets[1:].copy()
    while True:
        (some,) = (low < high).nonzero()
        if len(some) == 0:
            return low - offsets[:-1]
        middle = (low[some] + high[some]) >> 1
        before = times[middle] < bound_ms
        low[some] = np.where(before, middle + 1, low[some])
        high[some] = np.where(before, high[some], middle)


def split_tiles(group: Ints, widths: Ints, *, regular: bool) -> Iterator[Places]:
    """Series of a batch divided into tiles of about `TILE_VALUES` samples.

    group    [S] series with one number share their timestamps; they are adjacent
    widths   [S] samples of each
    regular  large groups get tiles of their own; False: all series share tiles
    """
    every = np.arange(len(group))
    pooled = every
    if regular and len(group):
        begins = np.flatnonzero(np.diff(group, prepend=-1))
        counts = np.diff(np.append(begins, len(group)))
        large = (counts > 1) & (counts * widths[begins] >= REGULAR_FROM)
        for begin, count in zip(begins[large].tolist(), counts[large].tolist(), strict=True):
            tall = max(1, TILE_VALUES // int(widths[begin]))
            for first in range(begin, begin + count, tall):
                yield slice(first, min(first + tall, begin + count))
        pooled = every[~np.repeat(large, counts)]
    number = (np.cumsum(widths[pooled]) - 1) // TILE_VALUES
    for some in np.split(pooled, np.flatnonzero(np.diff(number)) + 1):
        if len(some):
            adjacent = int(some[-1] - some[0]) == len(some) - 1
            yield slice(int(some[0]), int(some[-1]) + 1) if adjacent else some
