"""How the time of one query grows: with the number of series, and with the length of the range.

The measurement creates stores of fleets with a fixed seed. A query has as many steps as a panel has
points.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.suite.systems import Effort, InProcess
from novaql import tsdb
from novaql.tsdb.model.labels import LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Batch

START_MS = 1_767_225_600_000
QUERY = "sum by (job) (rate(http_requests_total[5m]))"
PANEL_STEPS = 300
PER_TARGET = 100
SCRAPE_MS = 60_000
SERIES = (1_000, 10_000, 100_000)
SERIES_HOURS = 6.0
HOURS = (1.0, 6.0, 24.0, 168.0, 720.0)
HOURS_SERIES = 1_000
MEMORY_SERIES = 100_000
MEMORY_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Targets of 100 counters each, scraped once a minute."""

    series: int
    hours: float

    @property
    def end_s(self) -> float:
        return START_MS / 1000 + self.hours * 3600

    def batches(self) -> Iterator[Batch]:
        scrapes = round(self.hours * 3_600_000 / SCRAPE_MS)
        for number in range(max(1, self.series // PER_TARGET)):
            rng = np.random.default_rng([7, number])
            times = START_MS + int(rng.integers(1, SCRAPE_MS)) + np.arange(scrapes) * SCRAPE_MS
            counts = rng.integers(0, 2 + int(2 * rng.lognormal(3, 1)), (PER_TARGET, scrapes))
            values = np.cumsum(counts, axis=1, dtype=np.float64)
            yield Batch(
                _labels(number),
                np.repeat(np.arange(PER_TARGET, dtype=np.int64), scrapes),
                np.tile(times, PER_TARGET),
                values.ravel(),
            )

    def fill(self, folder: Path) -> None:
        """Write a store of the fleet, unless it exists."""
        done = folder / "FILLED"
        if done.exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        with tsdb.open(folder, sync="os") as database:
            for batch in self.batches():
                database.append(batch)
            database.flush()
        done.touch()


def _labels(number: int) -> SeriesTable:
    return SeriesTable.from_columns(
        PER_TARGET,
        {
            "__name__": LabelColumn.constant("http_requests_total", PER_TARGET),
            "job": LabelColumn.constant(f"job-{number % 10}", PER_TARGET),
            "instance": LabelColumn.constant(f"host-{number:05d}:8080", PER_TARGET),
            "handler": LabelColumn.encode([f"/api/{n:02d}" for n in range(PER_TARGET)]),
        },
    )


def measure_growth(
    folder: Path, scale: float, effort: Effort, done: Callable[[dict[str, Any]], None]
) -> None:
    """Measure by series, by hours, and the memory that the largest aggregation adds. `done`
    receives each row."""
    for series in SERIES:
        done(_one(folder, "series", round(series * scale), SERIES_HOURS, SERIES_HOURS, effort))
    longest = max(HOURS)
    for hours in HOURS:
        done(_one(folder, "hours", round(HOURS_SERIES * scale), longest, hours, effort))
    done(_one(folder, "memory", round(MEMORY_SERIES * scale), MEMORY_HOURS, MEMORY_HOURS, effort))


def _one(
    folder: Path, axis: str, series: int, stored: float, hours: float, effort: Effort
) -> dict[str, Any]:
    fleet = Fleet(max(series, PER_TARGET), stored)
    row: dict[str, Any] = {"axis": axis, "series": fleet.series, "hours": hours, "query": QUERY}
    try:
        place = folder / f"fleet-{fleet.series}-{stored:g}h"
        began = time.perf_counter()
        fleet.fill(place)
        row["load_s"] = time.perf_counter() - began
        step = max(15, round(hours * 3600 / PANEL_STEPS))
        arguments = (QUERY, fleet.end_s - hours * 3600, fleet.end_s, step)
        row |= {"step_s": step, "samples": round(fleet.series * hours * 3_600_000 / SCRAPE_MS)}
        # Memory that an aggregation needs in addition to cached pages, which have a separate bound.
        options: dict[str, Any] = {"cache_bytes": 0} if axis == "memory" else {}
        process = InProcess(place, **options)
        try:
            row |= _timed(process, arguments, effort)
        finally:
            process.stop()
    except Exception as problem:  # noqa: BLE001 - one failure must not end the run
        row["error"] = f"{type(problem).__name__}: {problem}"[:300]
    return row


def _timed(process: InProcess, arguments: Sequence[Any], effort: Effort) -> dict[str, float]:
    idle = peak_mib(process.pid)
    cold, cold_cpu = process.measure("range", arguments, effort, cold=True)
    warm, warm_cpu = process.measure("range", arguments, effort, cold=False)
    return {
        "median_ms": 1000 * statistics.median(warm),
        "cpu_ms": 1000 * warm_cpu,
        "cold_median_ms": 1000 * statistics.median(cold),
        "cold_cpu_ms": 1000 * cold_cpu,
        "added_mib": peak_mib(process.pid) - idle,
    }


def peak_mib(pid: int) -> float:
    """The peak resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")
