"""Tiles as views of batches: matrices of series that share timestamps, and the other series.

NumPy kernels work on tiles of about `TILE_VALUES` samples, which fit into the processor's cache.
A batch holds several of them. It is read once, and a tile of a group of series that share their
timestamps is a view of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE, Tile
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.model.source import TileRef

TILE_VALUES = 1 << 17
REGULAR_FROM = 4096
"""Groups of fewer values share a tile: a tile of their own would cost more than it saves."""

Places = Ints | slice
"""Series of a batch, by their position in it."""


class BatchLoad:
    """A batch that is read for several tiles, and the samples of it that lie in a range.

    It is held from the first tile to the last. Safe to use from several threads.
    """

    def __init__(self, load: Callable[[], SeriesBatch], start_ms: int, end_ms: int) -> None:
        self._load, self._range = load, (start_ms, end_ms)
        self._lock = threading.Lock()
        self._found: _InRange | None = None
        self._waiting = 0
        self._tiles = 0

    def tile(self, places: Places, samples: int) -> TileRef:
        """A tile of these series, to be loaded; samples: how many it holds."""
        self._tiles += 1
        return TileRef(partial(self._read, places), samples)

    def _read(self, places: Places) -> Tile:
        with self._lock:
            found = self._found
            if found is None:
                found = self._found = _InRange(self._load(), *self._range)
                self._waiting = self._tiles
            self._waiting -= 1
            if self._waiting <= 0:
                self._found = None
        return found.tile(places)


class _InRange:
    """A batch, and for each of its grids the positions of times in a range.

    low, high  [G] first and one past last; None: all times of the batch lie in the range
    """

    def __init__(self, batch: SeriesBatch, start_ms: int, end_ms: int) -> None:
        self._batch, self._range = batch, (start_ms, end_ms)
        times, grids = batch.times, batch.grid_offsets
        self._low = self._high = None
        if len(times) and (times.min() < start_ms or times.max() > end_ms):
            self._low = _counts(times < start_ms, grids)
            self._high = _counts(times <= end_ms, grids)

    def tile(self, places: Places) -> Tile:
        """The samples of some series in the range, staleness markers among them."""
        batch = self._batch
        rows, grid = batch.rows[places], batch.grid[places]
        begins, ends = batch.offsets[:-1][places], batch.offsets[1:][places]
        times_at = batch.grid_offsets[grid]
        marked = batch.markers is not None and self._has_markers(places)
        if self._low is None or self._high is None:
            low, lengths = np.zeros(len(rows), np.int64), ends - begins
        else:
            low = self._low[grid]
            lengths = np.maximum(self._high[grid] - low, 0)
        if isinstance(places, slice) and batch.starts is None and not marked:
            if bool((grid == grid[0]).all()):
                first = int(low[0])
                width = int(ends[0] - begins[0])
                matrix = batch.values[int(begins[0]) : int(ends[-1])].reshape(len(rows), width)
                when = batch.times[int(times_at[0]) : int(times_at[0]) + width]
                some = slice(first, first + int(lengths[0]))
                return Tile(rows, when[some], matrix[:, some])
            if self._low is None and bool((grid[1:] - grid[:-1] == 1).all()):
                # Each series has a grid of its own, so that times and values are in one order.
                some = slice(int(begins[0]), int(ends[-1]))
                stop = int(times_at[0]) + some.stop - some.start
                when = batch.times[int(times_at[0]) : stop]
                offsets = np.append(begins - begins[0], some.stop - some.start)
                return Tile(rows, when, batch.values[some], offsets)
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
        markers = self._batch.markers
        assert markers is not None
        return bool((markers.offsets[1:][places] > markers.offsets[:-1][places]).any())

    def _with_markers(self, found: Tile, places: Places) -> Tile:
        """A ragged tile with the staleness markers of its series; regular if all times agree."""
        markers, series = self._batch.markers, len(found.rows)
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


def _counts(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], offsets: Ints) -> Ints:
    """[G]: how many flags of each stretch are set."""
    running = np.append(0, np.cumsum(flags))
    counts: Ints = running[offsets[1:]] - running[offsets[:-1]]
    return counts


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
