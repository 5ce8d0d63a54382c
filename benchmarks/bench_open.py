"""The time from a closed store to the first answer: of a shell command, and of a restart."""

from __future__ import annotations

from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.datasets import Fleet
from novaql import query, tsdb


def stored(fleet: Fleet, folder: Path) -> Path:
    with tsdb.open(folder, sync="os") as database:
        fleet.fill(database)
        database.flush()
    return folder


def bench_open(benchmark: BenchmarkFixture, sized_fleet: Fleet, tmp_path: Path) -> None:
    """Open and list the values of a label: decides what may be read at open.

    The time should not grow with samples, and hardly with series.
    """
    folder = stored(sized_fleet, tmp_path / "store")

    def jobs() -> list[str]:
        with tsdb.open(folder, read_only=True) as database:
            return database.label_values("job", [], 0, sized_fleet.end_ms)

    found = benchmark(jobs)

    assert found[0] == "job-0"
    assert len(found) == min(10, len(sized_fleet.targets))


def bench_open_and_query(benchmark: BenchmarkFixture, sized_fleet: Fleet, tmp_path: Path) -> None:
    """The same and one instant query, with pages that were never decoded."""
    folder = stored(sized_fleet, tmp_path / "store")

    def first_answer() -> float:
        with tsdb.open(folder, read_only=True) as database:
            at = sized_fleet.end_ms / 1000
            return float(query("count(http_requests_total)", database, time=at).values[0, 0])

    assert benchmark(first_answer) == sized_fleet.counters


def bench_open_after_crash(benchmark: BenchmarkFixture, small_fleet: Fleet, tmp_path: Path) -> None:
    """Reading the log back: decides how long the head may grow before it is flushed."""
    with tsdb.open(tmp_path / "store", sync="os", close_flush_samples=10**12) as database:
        small_fleet.fill(database)

    recovered = benchmark(tsdb.open, tmp_path / "store", read_only=True)

    assert recovered.open_report.replayed == small_fleet.samples
