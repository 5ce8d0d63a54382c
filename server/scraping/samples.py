"""Convert answers of targets to batches: labels, limits, staleness markers, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from novaql import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs import TargetReader, concat_batches, relabelled
from novaql.server.scraping.model import ScrapeJob, ScrapeTarget
from novaql.tsdb import (
    METRIC_NAME,
    STALE,
    Batch,
    Bools,
    HistogramSamples,
    Ints,
    LabelColumn,
    Metadata,
    SeriesTable,
    concat_tables,
)

REPORTED = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
EXTRA = ("scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes")

_EMPTY = "\0"
"""In place of the empty value of a label that a target exposes, where labels of the target are
honoured: a pushgateway exposes `instance=""` so that its series have no `instance`."""


class RefusedScrape(ValueError):
    """An answer exceeds a limit of its job. The message is that of Prometheus, if it has one.

    exposed, retained  samples of the answer before and after relabelling; 0: unknown
    """

    def __init__(self, sentence: str, exposed: int = 0, retained: int = 0) -> None:
        self.exposed, self.retained = exposed, retained
        super().__init__(sentence)


@dataclass(frozen=True, slots=True, eq=False)
class _Mapped:
    """The result of relabelling a table of series.

    table     relabelled table to store
    row_of    row in `table` for each row of `series`; -1: none
    retained  rows of `series` that no rule dropped, including duplicates without a row in `table`
    """

    series: SeriesTable
    table: SeriesTable
    row_of: Ints
    retained: Bools


class SampleMaker:
    """Converts the answers of one target to batches. For use by one thread at a time.

    metadata  metadata of the last answer
    """

    def __init__(self, target: ScrapeTarget) -> None:
        self.target = target
        self.metadata: dict[str, Metadata] = {}
        empty = _EMPTY if target.job.honor_labels else ""
        self._reader = TargetReader(target.url, target.job.exposed, empty=empty)
        self._alive = self._next_alive = SeriesTable.unlabelled(0)
        # The series of the last accepted answer, also of one before failures.
        self._known = self._next_known = SeriesTable.unlabelled(0)
        self._has_reported = False
        # The reader returns the same table while the series of the answers are equal: then the
        # result of relabelling is that of the last answer.
        self._mapped: _Mapped | None = None
        names = (*REPORTED, *(EXTRA if target.job.extra_scrape_metrics else ()))
        self._report = SeriesTable.from_dicts([{METRIC_NAME: n, **target.labels} for n in names])

    def success(self, body: bytes, content_type: str, at_ms: int, duration_s: float) -> Batch:
        """Parse and relabel the samples of an answer; return a batch with them, staleness markers
        for ended series, and the report. The caller calls `stored` after it has stored the batch.

        Raises `InputError` for an invalid answer, and `RefusedScrape`.
        """
        job = self.target.job
        batch, metadata = self._reader.read(body, content_type, at_ms)
        if not job.honor_timestamps:
            batch = _with_time(batch, at_ms)
        exposed = len(batch)
        mapped = self._relabelled(batch.series)
        retained = exposed
        if job.metric_relabel_configs:
            retained = int(mapped.retained[batch.series_index].sum())
            if batch.native is not None:
                retained += int(mapped.retained[batch.native.series_index].sum())
        if 0 < job.sample_limit < retained:
            raise RefusedScrape("sample limit exceeded", exposed, retained)
        self.metadata = metadata
        batch = _first_of_each(_moved(batch, mapped.table, mapped.row_of))
        tracked = job.track_timestamps_staleness
        now_alive = batch.series if tracked else _seen_at(batch, batch.series, at_ms)
        gone = _missing_series(self._alive, now_alive)
        added = _missing_series(batch.series, self._known)
        self._next_alive, self._next_known = now_alive, batch.series
        report = [1.0, duration_s, exposed, retained, len(added)]
        return self._with_report(batch, gone, at_ms, report, len(body))

    def failure(
        self, at_ms: int, duration_s: float, size: int = 0, counts: tuple[int, int] = (0, 0)
    ) -> Batch:
        """A batch with staleness markers for all series, and the report of a target that is down.

        counts  `exposed` and `retained` of a rejected answer
        """
        gone, self._next_alive = self._alive, SeriesTable.unlabelled(0)
        self._next_known = self._known
        return self._with_report(None, gone, at_ms, [0.0, duration_s, *counts, 0], size)

    def end(self, at_ms: int) -> Batch:
        """A batch with staleness markers for all series, including those of the report, after the
        end of the target. Empty if the target was never scraped."""
        gone, self._next_alive = self._alive, SeriesTable.unlabelled(0)
        report = [_markers(self._report, at_ms)] if self._has_reported else []
        return concat_batches([_markers(gone, at_ms), *report])

    def continue_from(self, former: SampleMaker) -> None:
        """Begin with the series of another maker of the same target."""
        self._alive, self._known = former._alive, former._known
        self._has_reported = former._has_reported

    def stored(self) -> None:
        """Record that the last batch is stored: its series are now the current ones."""
        self._alive, self._known = self._next_alive, self._next_known
        self._has_reported = True

    def _with_report(
        self, batch: Batch | None, gone: SeriesTable, at_ms: int, report: list[float], size: int
    ) -> Batch:
        if self.target.job.extra_scrape_metrics:
            report = [*report, self.target.timeout_s, self.target.job.sample_limit, size]
        rows = np.arange(len(report), dtype=np.int64)
        times = np.full(len(report), at_ms, np.int64)
        parts = [batch] if batch else []
        if len(gone):
            parts.append(_markers(gone, at_ms))
        # The last sample of a series wins: a target can expose series of the report.
        parts.append(Batch(self._report, rows, times, np.array(report, np.float64)))
        return concat_batches(parts)

    def _relabelled(self, series: SeriesTable) -> _Mapped:
        if self._mapped is not None and self._mapped.series is series:
            return self._mapped
        job = self.target.job
        table = with_target_labels(series, self.target.labels, honor=job.honor_labels)
        rows = np.arange(len(series), dtype=np.int64)
        if job.metric_relabel_configs:
            label_sets: list[dict[str, str]] = []
            for row, labels in enumerate(table.dicts()):
                found = relabelled(labels, job.metric_relabel_configs, job.label_limits)
                rows[row] = len(label_sets) if found else -1
                if found:
                    label_sets.append(found)
            table = SeriesTable.from_dicts(label_sets)
        retained = rows >= 0
        if len(table) and not table.column(METRIC_NAME).codes.all():
            raise InputError("metric name is missing from metric after relabelling")
        check_limits(table, job)
        _, first = np.unique(table.keys(), return_index=True)
        if len(first) < len(table):  # relabelling made series equal: the first one remains
            is_first = np.zeros(len(table), np.bool_)
            is_first[first] = True
            place = np.where(is_first, np.cumsum(is_first) - 1, -1)
            table = table.take(is_first)
            rows = np.where(rows >= 0, place[np.maximum(rows, 0)], -1)
        self._mapped = _Mapped(series, table, rows, retained)
        return self._mapped


def with_target_labels(
    series: SeriesTable, labels: Mapping[str, str], *, honor: bool
) -> SeriesTable:
    """Add the labels of the target to its series.

    honor  labels of the series override those of the target, also by an empty value (`_EMPTY`);
           False: they become `exported_…`
    """
    columns = dict(series.columns)
    for label, text in labels.items():
        columns[label] = LabelColumn.constant(text, len(series))
    both = [name for name in labels if name in series.columns and series.columns[name].codes.any()]
    for label in sorted(both, key=len):
        own = series.columns[label]
        if honor:
            columns[label] = LabelColumn.encode(text or labels[label] for text in own.texts())
        else:
            _export(columns, label, own)
    if honor:
        columns = {name: _without_empty(column) for name, column in columns.items()}
    return SeriesTable.from_columns(len(series), columns)


def _without_empty(column: LabelColumn) -> LabelColumn:
    if _EMPTY not in column.values:
        return column
    codes = np.where(column.codes == column.values.index(_EMPTY), 0, column.codes)
    return LabelColumn(codes.astype(np.int32), column.values)


def _export(columns: dict[str, LabelColumn], label: str, own: LabelColumn) -> None:
    """Move the values of a label to `exported_…` labels: for each series to the first one that the
    series does not have."""
    name, left = label, own.codes != 0
    while left.any():
        name = f"exported_{name}"
        there = columns.get(name) or LabelColumn.constant("", len(own.codes))
        free = left & (there.codes == 0)
        columns[name] = LabelColumn.encode(
            own_text if is_free else text
            for own_text, text, is_free in zip(
                own.texts(), there.texts(), free.tolist(), strict=True
            )
        )
        left &= ~free


def check_limits(table: SeriesTable, job: ScrapeJob) -> None:
    """Raise `RefusedScrape` if the number or size of the labels of a series exceeds a limit."""
    if job.label_limit:
        counts = np.zeros(len(table), np.int64)
        for column in table.columns.values():
            counts += column.codes != 0
        if (counts > job.label_limit).any():
            row = int(np.argmax(counts > job.label_limit))
            name = table.labels(row).get(METRIC_NAME, "")
            raise RefusedScrape(
                f"label_limit exceeded (metric: {name:.50}, number of labels: {counts[row]}, "
                f"limit: {job.label_limit})"
            )
    for name, column in table.columns.items():
        used = np.unique(column.codes)
        size = len(name.encode())
        if 0 < job.label_name_length_limit < size and used.any():
            raise RefusedScrape(
                f"label_name_length_limit exceeded (label name: {name:.50}, length: {size}, "
                f"limit: {job.label_name_length_limit})"
            )
        if job.label_value_length_limit:
            longest = max((column.values[code] for code in used.tolist()), key=_size, default="")
            if _size(longest) > job.label_value_length_limit:
                raise RefusedScrape(
                    f"label_value_length_limit exceeded (label name: {name:.50}, "
                    f"value: {longest:.50}, length: {_size(longest)}, "
                    f"limit: {job.label_value_length_limit})"
                )


def _size(text: str) -> int:
    return len(text.encode())


def _moved(batch: Batch, table: SeriesTable, row_of: Ints) -> Batch:
    """The batch over another table of series, without the samples whose series has no row there.

    row_of  row in `table` for each series of the batch; -1: none
    """
    index = row_of[batch.series_index]
    native = batch.native
    if native is not None:
        rows = row_of[native.series_index]
        some = np.flatnonzero(rows >= 0)
        native = HistogramSamples(
            rows[some],
            native.timestamps[some],
            native.histograms.take(some),
            None if native.starts is None else native.starts[some],
        )
    mask = index >= 0
    if mask.all():
        return replace(batch, series=table, series_index=index, native=native)
    return Batch(
        table,
        index[mask],
        batch.timestamps[mask],
        batch.values[mask],
        native,
        None if batch.starts is None else batch.starts[mask],
    )


def _seen_at(batch: Batch, series: SeriesTable, at_ms: int) -> SeriesTable:
    """The series with a sample at the time of the scrape."""
    now = batch.timestamps == at_ms
    if now.all() and len(series) == len(batch.values):
        return series
    rows = batch.series_index[now]
    if batch.native is not None:
        native_now = batch.native.timestamps == at_ms
        rows = np.concatenate([rows, batch.native.series_index[native_now]])
    seen: Ints = np.unique(rows)
    return series if len(seen) == len(series) else series.take(seen)


def _missing_series(before: SeriesTable, now: SeriesTable) -> SeriesTable:
    """The series of `before` that `now` does not contain."""
    if before is now or len(before) == 0:
        return SeriesTable.unlabelled(0)
    keys = concat_tables([before, now]).keys()
    return before.take(~np.isin(keys[: len(before)], keys[len(before) :]))


def _first_of_each(batch: Batch) -> Batch:
    """The batch with the first of the samples that have equal series and times, as in Prometheus.
    The store would retain the last one."""
    if len(batch) == len(batch.series):
        return batch
    places = np.stack([batch.series_index, batch.timestamps], axis=1)
    _, first = np.unique(places, axis=0, return_index=True)
    if len(first) == len(places):
        return batch
    first.sort()
    return replace(
        batch,
        series_index=batch.series_index[first],
        timestamps=batch.timestamps[first],
        values=batch.values[first],
        starts=None if batch.starts is None else batch.starts[first],
    )


def _with_time(batch: Batch, at_ms: int) -> Batch:
    """The batch with one time for all samples."""
    native = batch.native
    if native is not None:
        native = replace(native, timestamps=np.full(len(native.timestamps), at_ms, np.int64))
    return replace(batch, timestamps=np.full(len(batch.values), at_ms, np.int64), native=native)


def _markers(series: SeriesTable, at_ms: int) -> Batch:
    rows = np.arange(len(series), dtype=np.int64)
    return Batch(series, rows, np.full(len(rows), at_ms, np.int64), np.full(len(rows), STALE))
