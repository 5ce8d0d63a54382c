"""A target that is scraped again and again into a database, as Prometheus does it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

from novaql.inputs.exposed_options import AS_EXPOSED, ExposedOptions
from novaql.inputs.importer import Store
from novaql.inputs.scrape import ScrapeResult, new_parser, scrape
from novaql.tsdb.labels import Ints, LabelColumn, SeriesTable, concat_tables
from novaql.tsdb.selection import Metadata
from novaql.tsdb.tile import STALE, Batch

log = logging.getLogger(__name__)

REPORTED = ("up", "scrape_duration_seconds", "scrape_samples_scraped")
"""Series that a scraper writes about the scrape itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped, and how often.

    instance  label of the target (None: host and port of the address)
    interval  seconds between scrapes
    timeout   seconds for one scrape (None: 10, or the interval if that is less)
    labels    further labels for every series of the target
    exposed   whether native histograms are asked for, and what is made of the samples
    """

    url: str
    job: str
    instance: str | None = None
    interval: float = 15.0
    timeout: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed: ExposedOptions = AS_EXPOSED

    @property
    def target_labels(self) -> dict[str, str]:
        instance = self.instance if self.instance is not None else urlsplit(self.url).netloc
        return {**self.labels, "job": self.job, "instance": instance}


class Scraper:
    """Keeps one target scraped, on a thread of its own between `start` and `stop`.

    A label of the target's own that is called like one of `target_labels` becomes `exported_…`.
    Series that the target no longer exposes, and all of them when it cannot be scraped, get a
    staleness marker; samples for which the target gives times itself get none.
    """

    def __init__(
        self,
        target: Target,
        database: Store,
        *,
        fetch: Callable[..., ScrapeResult] = scrape,
    ) -> None:
        self.target = target
        self.last: ScrapeResult | None = None
        self.last_ms: int | None = None
        self._database = database
        self._fetch = fetch
        self._parser = new_parser(target.url, target.exposed)
        self._alive = SeriesTable.unlabelled(0)
        # The last tables and what was made of them: parsers and stores know tables by identity.
        self._target_series: tuple[SeriesTable, SeriesTable] | None = None
        self._labelled: tuple[SeriesTable, SeriesTable] | None = None
        self._metadata: dict[str, Metadata] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin scraping at once. Starting twice does nothing."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(
                target=self._run, name=f"scrape {self.target.job}", daemon=True
            )
            self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Stop after the scrape that is under way, and wait for that."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    def __enter__(self) -> Scraper:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def scrape_once(self, at_ms: int | None = None) -> ScrapeResult:
        """Scrape now and append what came, the markers and the report, with one time."""
        at_ms = round(time.time() * 1000) if at_ms is None else at_ms
        target = self.target
        timeout = target.timeout or min(10.0, target.interval)
        found = self._fetch(target.url, timeout, at_ms=at_ms, parser=self._parser)
        batch, alive = self._batch(found, at_ms)
        self._database.append(batch)
        self._alive = alive  # what the store refused is not there to end
        if found.metadata and found.metadata != self._metadata:
            self._database.set_metadata(found.metadata)
            self._metadata = found.metadata
        self.last, self.last_ms = found, at_ms
        return found

    def _run(self) -> None:
        interval = self.target.interval
        due = time.monotonic()
        while not self._stop.is_set():
            was_up = self.last is None or self.last.up
            try:
                found = self.scrape_once()
            except Exception:
                # The store may be full for a while; scraping goes on when it is not.
                log.exception("samples of %s could not be stored", self.target.url)
            else:
                if not found.up and was_up:
                    log.warning("scrape failed: %s", found.error)
            due += interval
            late = time.monotonic() - due
            if late > 0:  # leave out the scrapes that were missed
                due += (late // interval + 1) * interval
            self._stop.wait(due - time.monotonic())

    def _batch(self, found: ScrapeResult, at_ms: int) -> tuple[Batch, SeriesTable]:
        """What is appended, and the series that are alive after it."""
        batch = found.batch
        series = self._with_target_labels(batch.series)
        now_alive = seen_at(batch, series, at_ms)
        gone = missing_series(self._alive, now_alive)
        parts = [batch.values, np.array([found.up, found.duration, found.samples], np.float64)]
        report = self._report()
        index = [batch.series_index, len(series) + np.arange(len(report))]
        tables = [series, report]
        if len(gone):
            tables.append(gone)
            parts.append(np.full(len(gone), STALE))
            index.append(len(series) + len(report) + np.arange(len(gone)))
        values = np.concatenate(parts)
        times = np.full(len(values), at_ms, np.int64)
        exposed = len(batch.values)
        times[:exposed] = batch.timestamps
        starts = None
        if batch.starts is not None:
            starts = np.zeros(len(values), np.int64)
            starts[:exposed] = batch.starts
        joined = self._joined(tables)
        made = Batch(joined, np.concatenate(index), times, values, batch.native, starts)
        return made, now_alive

    def _joined(self, tables: list[SeriesTable]) -> SeriesTable:
        """One table of all; the same object while a healthy target exposes the same series."""
        if len(tables) > 2:
            return concat_tables(tables)
        if self._labelled is None or self._labelled[0] is not tables[0]:
            self._labelled = (tables[0], concat_tables(tables))
        return self._labelled[1]

    def _report(self) -> SeriesTable:
        labels = self.target.target_labels
        return SeriesTable.from_dicts([{"__name__": name, **labels} for name in REPORTED])

    def _with_target_labels(self, series: SeriesTable) -> SeriesTable:
        if self._target_series is not None and self._target_series[0] is series:
            return self._target_series[1]
        columns = dict(series.columns)
        for label, text in self.target.target_labels.items():
            own = columns.pop(label, None)
            if own is not None and own.codes.any():
                exported = f"exported_{label}"
                while exported in columns:
                    exported = f"exported_{exported}"
                columns[exported] = own
            columns[label] = LabelColumn.constant(text, len(series))
        made = SeriesTable.from_columns(len(series), columns)
        self._target_series = (series, made)
        return made


def seen_at(batch: Batch, series: SeriesTable, at_ms: int) -> SeriesTable:
    """Series with a sample at the time of the scrape."""
    now = batch.timestamps == at_ms
    if now.all() and len(series) == len(batch.values):
        return series
    rows = batch.series_index[now]
    if batch.native is not None:
        at_once = batch.native.timestamps == at_ms
        rows = np.concatenate([rows, batch.native.series_index[at_once]])
    seen: Ints = np.unique(rows)
    return series if len(seen) == len(series) else series.take(seen)


def missing_series(before: SeriesTable, now: SeriesTable) -> SeriesTable:
    """Series of `before` that `now` has not."""
    if before is now or len(before) == 0:
        return SeriesTable.unlabelled(0)
    keys = concat_tables([before, now]).keys()
    return before.take(~np.isin(keys[: len(before)], keys[len(before) :]))
