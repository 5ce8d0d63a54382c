"""The pinned corpus for sizes: a day of 25 targets that look like a node exporter's.

Its noise is nearly incompressible on purpose: where a real fleet repeats values, this one draws new
ones. `size.py` prints how many bytes a sample plain pcodec needs for it: about 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.datasets import INTERVAL_MS, START_MS
from novaql.tsdb.model.labels import Ints, LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch, Floats

TARGETS = 25
SCRAPES = 24 * 3600 * 1000 // INTERVAL_MS
MODES = ("idle", "iowait", "system", "user")
BUCKETS = ("0.1", "0.5", "1", "+Inf")
_KIB4 = 4096.0

_SERIES: tuple[tuple[str, dict[str, str]], ...] = (
    *(("node_cpu_seconds_total", {"cpu": "0", "mode": mode}) for mode in MODES),
    ("node_network_receive_bytes_total", {"device": "eth0"}),
    ("node_network_transmit_bytes_total", {"device": "eth0"}),
    ("node_disk_writes_completed_total", {"device": "vda"}),
    ("node_memory_MemAvailable_bytes", {}),
    ("node_memory_MemTotal_bytes", {}),
    ("node_filesystem_avail_bytes", {"mountpoint": "/"}),
    ("node_load1", {}),
    ("node_hwmon_temp_celsius", {"sensor": "temp1"}),
    ("process_resident_memory_bytes", {}),
    ("up", {}),
    ("scrape_duration_seconds", {}),
    *(("request_duration_seconds_bucket", {"le": le}) for le in BUCKETS),
    ("request_duration_seconds_sum", {}),
)  # fmt: skip
PER_TARGET = len(_SERIES)
SAMPLES = TARGETS * PER_TARGET * SCRAPES


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One target: label sets of its series, [T] milliseconds, [series, T] values."""

    series: SeriesTable
    times: Ints
    values: Floats

    def batch(self, first: int, end: int) -> Batch:
        """Scrapes `first` to `end`, series after series."""
        times, values = self.times[first:end], self.values[:, first:end]
        rows = np.repeat(np.arange(PER_TARGET, dtype=np.int64), len(times))
        return Batch(self.series, rows, np.tile(times, PER_TARGET), values.ravel())


def nodes() -> Iterator[Node]:
    """The targets of the corpus; the same for each call."""
    rng = np.random.default_rng(7)
    for number in range(TARGETS):
        jitter = rng.integers(0, 8, SCRAPES)  # a scraper is a few milliseconds late
        offset = int(rng.integers(1, INTERVAL_MS))
        times = START_MS + offset + np.arange(SCRAPES) * INTERVAL_MS + jitter
        yield Node(_labels(number), times, np.array(_values(rng)))


def batches(scrapes: int = 120) -> Iterator[Batch]:
    """Batches in the order in which a fleet is scraped: some scrapes of each target, then of the
    next one."""
    fleet = list(nodes())
    for first in range(0, SCRAPES, scrapes):
        for node in fleet:
            yield node.batch(first, first + scrapes)


def _values(rng: np.random.Generator) -> list[Floats]:
    count = SCRAPES
    day = 1 + 0.4 * np.sin(2 * np.pi * np.arange(count) / count + rng.uniform(0, 6))
    cpu = [np.round(np.cumsum(rng.gamma(2, 0.12, count)), 2) for _ in range(4)]
    network = [np.cumsum(rng.poisson(rate * day)) for rate in (1.2e6, 8e5)]
    disk = np.cumsum(rng.poisson(3, count) * (rng.random(count) < 0.1))
    available = _KIB4 * np.rint(1e6 + np.cumsum(rng.normal(0, 20, count)))
    used = np.cumsum(rng.poisson(2, count) * (rng.random(count) < 0.3))
    load = np.round(np.abs(1 + np.cumsum(rng.normal(0, 0.03, count))), 2)
    celsius = np.rint(45 + 6 * day + rng.normal(0, 0.5, count))
    steps = rng.choice([0, 40, -40], count, p=[0.96, 0.02, 0.02])
    duration = np.round(rng.gamma(9, 0.0007, count), 9)
    hits = rng.poisson(np.outer([22, 0.5, 0.4, 0.3], day))
    seconds = np.cumsum(rng.gamma(np.maximum(hits.sum(axis=0), 0.5), 0.3))
    return [
        row.astype(np.float64)
        for row in (
            *cpu,
            *network,
            disk,
            available,
            np.full(count, 16 << 30),
            _KIB4 * (2e7 - used),
            load,
            celsius,
            _KIB4 * (5e4 + np.cumsum(steps)),
            np.ones(count),
            duration,
            *np.cumsum(np.cumsum(hits, axis=0), axis=1),
            seconds,
        )
    ]


def _labels(number: int) -> SeriesTable:
    names = sorted({name for _, labels in _SERIES for name in labels})
    columns = {
        "__name__": LabelColumn.encode([metric for metric, _ in _SERIES]),
        "job": LabelColumn.constant("node", PER_TARGET),
        "instance": LabelColumn.constant(f"node-{number:02d}:9100", PER_TARGET),
    }
    for name in names:
        columns[name] = LabelColumn.encode([labels.get(name, "") for _, labels in _SERIES])
    return SeriesTable.from_columns(PER_TARGET, columns)
