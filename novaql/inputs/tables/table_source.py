"""A source in memory: samples that are sorted, and grouped by their timestamps, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from novaql.inputs.label_lookups import LabelLookups
from novaql.inputs.sample_batches import (
    batch_of_samples,
    histogram_batch_of,
    part_of,
    samples_between,
)
from novaql.tsdb.model.flat_arrays import first_not_before
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher, select_rows
from novaql.tsdb.model.samples import Batch, HistogramBatch
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.model.source import NO_HINTS, Hints, HistogramBatchRef, Metadata, Selection

BATCH_VALUES = 1 << 20
LARGE = 4 * BATCH_VALUES
"""More samples than this are divided into batches of about `BATCH_VALUES`, as those of a store."""


class TableSource(LabelLookups):
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
        series, position = in_label_order(tidy.series)
        floats = batch_of_samples(
            tidy.series_index, tidy.timestamps, tidy.values, tidy.starts, position
        )
        large = floats.values.size > LARGE
        batches = floats.parts(-(-floats.values.size // BATCH_VALUES) if large else 1)
        native = []
        if tidy.native is not None:
            held = histogram_batch_of(tidy.native)
            native = [replace(held, rows=position[held.rows])]
        self._hold(series, batches, native, metadata)

    @classmethod
    def from_batches(
        cls,
        series: SeriesTable,
        batches: Sequence[SeriesBatch],
        metadata: Mapping[str, Metadata] | None = None,
    ) -> TableSource:
        """From batches whose rows point into `series`, as in a `Selection`.

        Label sets are distinct, each row is in at most one batch.
        """
        made = cls.__new__(cls)
        ordered, position = in_label_order(series)
        moved = [replace(batch, rows=position[batch.rows]) for batch in batches]
        made._hold(ordered, moved, [], metadata)
        return made

    def _hold(
        self,
        series: SeriesTable,
        batches: Sequence[SeriesBatch],
        native: Sequence[HistogramBatch],
        metadata: Mapping[str, Metadata] | None,
    ) -> None:
        self._series = series
        self._batches = tuple(batches)
        self._native = tuple(native)
        self._starts = any(
            [
                *(batch.starts is not None for batch in batches),
                *(batch.starts is not None for batch in native),
            ]
        )
        self._metadata = dict(metadata or {})
        # A row without samples has first > last, so no selection finds it.
        self._first = np.full(len(series), np.iinfo(np.int64).max)
        self._last = np.full(len(series), np.iinfo(np.int64).min)
        for batch in self._batches:
            begins, ends = batch.grid_offsets[batch.grid], batch.grid_offsets[batch.grid + 1]
            self._extend(batch.rows, batch.times, begins, ends)
            if batch.markers is not None:
                offsets = batch.markers.offsets
                self._extend(batch.rows, batch.markers.times, offsets[:-1], offsets[1:])
        for part in self._native:
            self._extend(part.rows, part.timestamps, part.offsets[:-1], part.offsets[1:])

    def _extend(self, rows: Ints, times: Ints, begins: Ints, ends: Ints) -> None:
        """The times begins … ends - 1, which increase, belong to each row."""
        some = begins < ends
        rows = rows[some]
        self._first[rows] = np.minimum(self._first[rows], times[begins[some]])
        self._last[rows] = np.maximum(self._last[rows], times[ends[some] - 1])

    def __repr__(self) -> str:
        return f"TableSource({len(self._series)} series, {self.samples} samples)"

    @property
    def samples(self) -> int:
        floats = sum(batch.sample_count for batch in self._batches)
        return floats + sum(len(batch.timestamps) for batch in self._native)

    def time_range(self) -> tuple[int, int] | None:
        """First and last time in milliseconds, None when there are no samples."""
        if self.samples == 0:
            return None
        return int(self._first.min()), int(self._last.max())

    def last_sample_ms(self) -> int | None:
        """Time of the last sample that is no staleness marker; None: there is none."""
        times = [batch.times for batch in self._batches] + [n.timestamps for n in self._native]
        return max((int(each.max()) for each in times if each.size), default=None)

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
        if hints.plain is not None:
            return hints.plain  # there are no cells
        wanted = select_rows(self._series, matchers)
        wanted &= (self._first <= end_ms) & (self._last >= start_ms)
        new_row = np.cumsum(wanted) - 1
        batches = []
        for batch in self._batches:
            members = np.flatnonzero(wanted[batch.rows])
            if len(members):
                rows = new_row[batch.rows[members]]
                ref = part_of(batch, members, rows, start_ms, end_ms)
                batches += [] if ref is None else [ref]
        native = []
        for part in self._native:
            members = np.flatnonzero(wanted[part.rows])
            if len(members):
                lo, hi = _bounds(part, members, start_ms, end_ms)
                rows = new_row[part.rows[members]]
                if samples := int((hi - lo).sum()):
                    native.append(HistogramBatchRef(partial(part.taken, rows, lo, hi), samples))
        # Samples are in memory already; labels are copied.
        series = self._series if hints.labels is None else self._series.keep(hints.labels)
        return Selection(
            series.take(wanted), batches, native, (start_ms, end_ms), starts=self._starts
        )

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """Label sets that satisfy any of the sets of matchers (none: all), each once, sorted."""
        return self._series.take(self._rows(matcher_sets, start_ms, end_ms))

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Source.label_values`. Finds them without a table of the series."""
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
            for batch in self._batches:
                members = np.flatnonzero(unsure[batch.rows])
                found = samples_between(batch, members, start_ms, end_ms)
                wanted[batch.rows[members]] |= found > 0
            for part in self._native:
                members = np.flatnonzero(unsure[part.rows])
                lo, hi = _bounds(part, members, start_ms, end_ms)
                wanted[part.rows[members]] |= lo < hi
        return wanted


def in_label_order(series: SeriesTable) -> tuple[SeriesTable, Ints]:
    """The label sets in order, and the new row of each."""
    order = series.order()
    position = np.empty(len(series), np.int64)
    position[order] = np.arange(len(series))
    return series.take(order), position


def tidy_batch(batch: Batch) -> Batch:
    """The batch sorted by (row of the series table, time); each label set and each time once.

    Label sets are in the order of their first rows in the table. Of samples with the same
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
        native = native.take(by_time, of_row[by_time])
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


def _bounds(batch: HistogramBatch, members: Ints, start_ms: int, end_ms: int) -> tuple[Ints, Ints]:
    """[len(members)] each: the histograms lo … hi - 1 of a series are in the range."""
    begins, ends = batch.offsets[members], batch.offsets[members + 1]
    first = first_not_before(batch.timestamps, begins, ends, start_ms)
    last = first_not_before(batch.timestamps, begins, ends, end_ms + 1)
    return first, np.maximum(first, last)
