"""Synthetic fleets with a fixed seed, made outside every timer.

A target of 50 request counters, 24 latency buckets and one gauge is scraped every 15 seconds; all
its series share its timestamps, and each target has its own offset, like scraped targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from novaql import tsdb
from novaql.tsdb.model.labels import Ints, LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch, Floats

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

INTERVAL_MS = 15_000
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
STATUSES = ("200", "201", "204", "301", "400", "401", "404", "429", "500", "503")
BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
JOBS = 10
COUNTERS = len(METHODS) * len(STATUSES)
PER_TARGET = COUNTERS + 2 * len(BUCKETS) + 1


@dataclass(frozen=True, slots=True)
class Target:
    """One scraped instance: labels of its series, [T] milliseconds, [series, T] values.

    Rows are the counters, then the buckets of the handlers `/` and `/login`, then the gauge.
    """

    series: SeriesTable
    times: Ints
    values: Floats

    @property
    def counters(self) -> Floats:
        return self.values[:COUNTERS]

    def batch(self, first: int = 0, end: int | None = None) -> Batch:
        """Scrapes `first` to `end`, series after series."""
        values = self.values[:, first:end]
        rows, width = values.shape
        return Batch(
            self.series,
            np.repeat(np.arange(rows, dtype=np.int64), width),
            np.tile(self.times[first:end], rows),
            values.ravel(),
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """Targets with `counters` request counters between them."""

    targets: tuple[Target, ...]
    hours: float

    @property
    def counters(self) -> int:
        return len(self.targets) * COUNTERS

    @property
    def end_ms(self) -> int:
        return START_MS + round(self.hours * 3_600_000)

    @property
    def samples(self) -> int:
        return sum(target.values.size for target in self.targets)

    def batches(self) -> Iterator[Batch]:
        return (target.batch() for target in self.targets)

    def fill(self, database: tsdb.Database) -> tsdb.Database:
        for batch in self.batches():
            database.append(batch)
        return database


@lru_cache(maxsize=4)
def fleet(counters: int, hours: float) -> Fleet:
    """A fleet with about `counters` request counters over some hours; the same for each call."""
    count = max(1, counters // COUNTERS)
    return Fleet(tuple(target(number, hours) for number in range(count)), hours)


def target(number: int, hours: float) -> Target:
    rng = np.random.default_rng([20260101, number])
    steps = round(hours * 3_600_000 / INTERVAL_MS)
    times = START_MS + int(rng.integers(1, INTERVAL_MS)) + np.arange(steps) * INTERVAL_MS
    traffic = rng.lognormal(1.0, 0.5) * (1 + 0.3 * np.sin(np.arange(steps) / 700 + number))
    share = np.outer(rng.dirichlet(np.ones(len(METHODS))), rng.dirichlet(np.ones(len(STATUSES))))
    counters = np.cumsum(rng.poisson(300 * share.reshape(-1, 1) * traffic), axis=1)
    counters += rng.integers(1_000_000, 2_000_000, (COUNTERS, 1))
    spread = rng.dirichlet(np.ones(len(BUCKETS)), 2).reshape(2, len(BUCKETS), 1)
    hits = np.cumsum(rng.poisson(200 * spread * traffic), axis=2)
    buckets = np.cumsum(hits, axis=1).reshape(-1, steps)
    capacity = np.full((1, steps), 500.0 + 100 * (number % 7))
    values = np.vstack([counters, buckets, capacity]).astype(np.float64)
    return Target(_labels(number), times, values)


def _labels(number: int) -> SeriesTable:
    names = ["http_requests_total"] * COUNTERS
    names += ["http_request_duration_seconds_bucket"] * (2 * len(BUCKETS)) + ["capacity_requests"]
    methods = [m for m in METHODS for _ in STATUSES]
    statuses = [s for _ in METHODS for s in STATUSES]
    handlers = [h for h in ("/", "/login") for _ in BUCKETS]
    blank = PER_TARGET - COUNTERS
    return SeriesTable.from_columns(
        PER_TARGET,
        {
            "__name__": LabelColumn.encode(names),
            "job": LabelColumn.constant(f"job-{number % JOBS}", PER_TARGET),
            "instance": LabelColumn.constant(f"host-{number:04d}:8080", PER_TARGET),
            "method": LabelColumn.encode(methods + [""] * blank),
            "status": LabelColumn.encode(statuses + [""] * blank),
            "handler": LabelColumn.encode([""] * COUNTERS + handlers + [""]),
            "le": LabelColumn.encode([""] * COUNTERS + [*BUCKETS, *BUCKETS] + [""]),
        },
    )


def rate_at(counters: Floats, times: Ints, end_ms: int, range_ms: int) -> Floats:
    """[S] Prometheus's rate of counters without resets, far from zero, at one moment.

    Both ends of the window are closer than 1.1 gaps to a sample, so extrapolation reaches both.
    """
    inside = (times > end_ms - range_ms) & (times <= end_ms)
    found = counters[:, inside]
    seconds = (times[inside][-1] - times[inside][0]) / 1000
    growth: Floats = (found[:, -1] - found[:, 0]) / seconds
    return growth
