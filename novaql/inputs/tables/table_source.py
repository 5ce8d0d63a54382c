"""A source held in memory: one batch of samples, sorted and cut into tiles once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher, select_rows
from novaql.tsdb.model.samples import Batch, HistogramSamples, HistogramTile, Tile, tiles_from_flat
from novaql.tsdb.model.source import NO_HINTS, Hints, HistogramRef, Metadata, Selection, TileRef


class TableSource:
    """Samples in memory as a `Source`. Immutable, so any number of threads may read it.

    The batch may be in any order and may name a label set twice; of two samples with the same
    series and time the later one in the batch counts.

    notes  warnings that every result of a query over it has
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self,
        batch: Batch,
        metadata: Mapping[str, Metadata] | None = None,
        *,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.notes = notes
        tidy = tidy_batch(batch)
        tiles = tiles_from_flat(tidy.series_index, tidy.timestamps, tidy.values, tidy.starts)
        native = [] if tidy.native is None else [_histogram_tile(tidy.native)]
        self._hold(*_in_label_order(tidy.series, tiles, native), metadata)

    @classmethod
    def from_tiles(
        cls,
        series: SeriesTable,
        tiles: Sequence[Tile],
        metadata: Mapping[str, Metadata] | None = None,
    ) -> TableSource:
        """From tiles whose rows point into `series`, as `Selection` wants them.

        Label sets are distinct, each row is in at most one tile.
        """
        made = cls.__new__(cls)
        made._hold(*_in_label_order(series, tiles, []), metadata)
        return made

    def _hold(
        self,
        series: SeriesTable,
        tiles: Sequence[Tile],
        native: Sequence[HistogramTile],
        metadata: Mapping[str, Metadata] | None,
    ) -> None:
        self._series = series
        self._tiles = tuple(tiles)
        self._native = tuple(native)
        starts = [tile.starts for tile in tiles] + [tile.starts for tile in native]
        self._starts = any(one is not None for one in starts)
        self._metadata = dict(metadata or {})
        # A row without samples keeps first > last and is never found.
        self._first = np.full(len(series), np.iinfo(np.int64).max)
        self._last = np.full(len(series), np.iinfo(np.int64).min)
        for tile in self._tiles:
            if tile.sample_count == 0:
                continue
            if tile.offsets is None:
                self._first[tile.rows] = tile.timestamps[0]
                self._last[tile.rows] = tile.timestamps[-1]
            else:
                filled = tile.offsets[1:] > tile.offsets[:-1]
                self._first[tile.rows[filled]] = tile.timestamps[tile.offsets[:-1][filled]]
                self._last[tile.rows[filled]] = tile.timestamps[tile.offsets[1:][filled] - 1]
        for part in self._native:
            first = part.timestamps[part.offsets[:-1]]
            last = part.timestamps[part.offsets[1:] - 1]
            self._first[part.rows] = np.minimum(self._first[part.rows], first)
            self._last[part.rows] = np.maximum(self._last[part.rows], last)

    def __repr__(self) -> str:
        return f"TableSource({len(self._series)} series, {self.samples} samples)"

    @property
    def samples(self) -> int:
        floats = sum(tile.sample_count for tile in self._tiles)
        return floats + sum(len(tile.timestamps) for tile in self._native)

    def time_range(self) -> tuple[int, int] | None:
        """First and last time in milliseconds, None when there are no samples."""
        if self.samples == 0:
            return None
        return int(self._first.min()), int(self._last.max())

    def has_histograms(self) -> bool:
        """Whether a sample is a native histogram."""
        return bool(self._native)

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,
    ) -> Selection:
        """Series that satisfy every matcher, with their samples in the range."""
        wanted = select_rows(self._series, matchers)
        wanted &= (self._first <= end_ms) & (self._last >= start_ms)
        new_row = np.cumsum(wanted) - 1
        refs = []
        for tile in self._tiles:
            members = np.flatnonzero(wanted[tile.rows])
            if len(members) == 0:
                continue
            lo, hi = _bounds(tile, members, start_ms, end_ms)
            samples = (
                int((hi - lo).sum()) if tile.offsets is not None else int(hi - lo) * len(members)
            )
            if samples:
                rows = new_row[tile.rows[members]]
                refs.append(TileRef(partial(_cut, tile, members, rows, lo, hi), samples))
        native = []
        for part in self._native:
            members = np.flatnonzero(wanted[part.rows])
            if len(members):
                lo, hi = _flat_bounds(part, members, start_ms, end_ms)
                rows = new_row[part.rows[members]]
                if samples := int((hi - lo).sum()):
                    native.append(HistogramRef(partial(_cut_native, part, rows, lo, hi), samples))
        # Samples are in memory already; labels are copied.
        series = self._series if hints.labels is None else self._series.keep(hints.labels)
        return Selection(series.take(wanted), refs, native, starts=self._starts)

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """Label sets that satisfy any of the sets of matchers (none: all), each once, sorted."""
        return self._series.take(self._rows(matcher_sets, start_ms, end_ms))

    def label_names(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Label names of those series, sorted."""
        return sorted(self.series(matcher_sets, start_ms, end_ms).names())

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Values of one label among those series, sorted."""
        column = self._series.column(name)
        used = np.unique(column.codes[self._rows(matcher_sets, start_ms, end_ms)])
        return sorted(column.values[code] for code in used.tolist() if code)

    def metadata(self) -> dict[str, Metadata]:
        """Metric name → metadata, where the input had any."""
        return dict(self._metadata)

    def _rows(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> Bools:
        if matcher_sets:
            wanted = np.zeros(len(self._series), np.bool_)
            for matchers in matcher_sets:
                wanted |= select_rows(self._series, matchers)
        else:
            wanted = np.ones(len(self._series), np.bool_)
        wanted &= (self._first <= end_ms) & (self._last >= start_ms)
        # A series may span the range with a hole where the range is.
        unsure = wanted & (self._first < start_ms) & (self._last > end_ms)
        if unsure.any():
            wanted &= ~unsure
            for tile in self._tiles:
                members = np.flatnonzero(unsure[tile.rows])
                if len(members):
                    lo, hi = _bounds(tile, members, start_ms, end_ms)
                    wanted[tile.rows[members]] |= lo < hi
            for part in self._native:
                members = np.flatnonzero(unsure[part.rows])
                if len(members):
                    lo, hi = _flat_bounds(part, members, start_ms, end_ms)
                    wanted[part.rows[members]] |= lo < hi
        return wanted


def _in_label_order(
    series: SeriesTable, tiles: Sequence[Tile], native: Sequence[HistogramTile]
) -> tuple[SeriesTable, list[Tile], list[HistogramTile]]:
    order = series.order()
    position = np.empty(len(series), np.int64)
    position[order] = np.arange(len(series))
    moved = [replace(t, rows=position[t.rows]) for t in tiles]
    return series.take(order), moved, [replace(t, rows=position[t.rows]) for t in native]


def _histogram_tile(native: HistogramSamples) -> HistogramTile:
    """Samples sorted by (series, time) as one tile."""
    starts = np.flatnonzero(np.diff(native.series_index, prepend=-1))
    offsets = np.append(starts, len(native.series_index)).astype(np.int64)
    return HistogramTile(
        native.series_index[starts], native.timestamps, native.histograms, offsets, native.starts
    )


def tidy_batch(batch: Batch) -> Batch:
    """The batch sorted by (row of the series table, time); each label set and each time once.

    Label sets keep the order in which they first stand in the table. Of samples with the same
    series and time the last one stays.
    """
    table = batch.series
    index = batch.series_index
    _, firsts, again = np.unique(table.keys(), return_index=True, return_inverse=True)
    new_row = np.arange(len(table), dtype=np.int64)
    if len(firsts) < len(table):
        arrival = np.argsort(firsts)
        rank = np.empty(len(firsts), np.int64)
        rank[arrival] = np.arange(len(firsts))
        table = table.take(firsts[arrival])
        new_row = rank[again]
        index = new_row[index]
    native = batch.native
    if native is not None:
        of_row = new_row[native.series_index]
        by_time = np.lexsort((native.timestamps, of_row))
        last = np.diff(of_row[by_time], append=-1) != 0
        last |= np.diff(native.timestamps[by_time], append=-1) != 0
        by_time = by_time[last]
        native = HistogramSamples(
            of_row[by_time],
            native.timestamps[by_time],
            native.histograms.take(by_time),
            None if native.starts is None else native.starts[by_time],
        )
    times = batch.timestamps.astype(np.int64, copy=False)
    values = batch.values.astype(np.float64, copy=False)
    starts = batch.starts
    if not _is_sorted(index, times):
        by_time = np.lexsort((times, index))  # stable: a later duplicate stays behind
        index, times, values = index[by_time], times[by_time], values[by_time]
        starts = None if starts is None else starts[by_time]
        double = (index[1:] == index[:-1]) & (times[1:] == times[:-1])
        if double.any():
            last = np.append(~double, True)
            index, times, values = index[last], times[last], values[last]
            starts = None if starts is None else starts[last]
    return Batch(table, index, times, values, native, starts)


def _is_sorted(index: Ints, times: Ints) -> bool:
    """By (index, time), with no pair twice."""
    if not (index[1:] >= index[:-1]).all():
        return False
    return bool(((times[1:] > times[:-1]) | (index[1:] != index[:-1])).all())


def _bounds(tile: Tile, members: Ints, start_ms: int, end_ms: int) -> tuple[Ints, Ints]:
    """Half-open sample range of the members of a tile.

    Regular: two numbers for all of them (0-d arrays). Ragged: flat positions, [len(members)].
    """
    if tile.offsets is None:
        lo = np.searchsorted(tile.timestamps, start_ms, "left")
        hi = np.searchsorted(tile.timestamps, end_ms, "right")
        return np.asarray(lo), np.asarray(max(lo, hi))
    return _flat_bounds(tile, members, start_ms, end_ms)


def _flat_bounds(
    tile: Tile | HistogramTile, members: Ints, start_ms: int, end_ms: int
) -> tuple[Ints, Ints]:
    first = _first_not_before(tile, members, start_ms)
    return first, np.maximum(first, _first_not_before(tile, members, end_ms + 1))


def _cut_native(tile: HistogramTile, rows: Ints, lo: Ints, hi: Ints) -> HistogramTile:
    size = hi - lo
    some = size > 0
    size, lo = size[some], lo[some]
    offsets = np.concatenate([[0], np.cumsum(size)])
    flat = np.arange(offsets[-1]) + np.repeat(lo - offsets[:-1], size)
    starts = None if tile.starts is None else tile.starts[flat]
    return HistogramTile(
        rows[some], tile.timestamps[flat], tile.histograms.take(flat), offsets, starts
    )


def _first_not_before(tile: Tile | HistogramTile, members: Ints, time_ms: int) -> Ints:
    """Binary search in every member of a ragged tile at once; flat positions."""
    assert tile.offsets is not None
    lo = tile.offsets[members]
    hi = tile.offsets[members + 1]
    while (open_ := lo < hi).any():
        middle = (lo + hi) >> 1
        # A closed interval may point behind the last sample: look anywhere, then ignore it.
        earlier = open_ & (tile.timestamps[np.minimum(middle, tile.timestamps.size - 1)] < time_ms)
        lo = np.where(earlier, middle + 1, lo)
        hi = np.where(open_ & ~earlier, middle, hi)
    return lo


def _cut(tile: Tile, members: Ints, rows: Ints, lo: Ints, hi: Ints) -> Tile:
    if tile.offsets is None:
        first, last = int(lo), int(hi)
        everyone = len(members) == len(tile.rows)
        part = tile.values[:, first:last] if everyone else tile.values[members, first:last]
        return Tile(rows, tile.timestamps[first:last], np.ascontiguousarray(part))
    size = hi - lo
    offsets = np.concatenate([[0], np.cumsum(size)])
    flat = np.arange(offsets[-1]) + np.repeat(lo - offsets[:-1], size)
    starts = None if tile.starts is None else tile.starts[flat]
    return Tile(rows, tile.timestamps[flat], tile.values[flat], offsets, starts)
