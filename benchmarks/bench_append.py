"""Samples into the store. Divide the samples named in `extra_info` by the time."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.datasets import Fleet
from novaql import tsdb
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

COUNTERS = [Matcher(METRIC_NAME, MatchOp.EQUAL, "http_requests_total")]


def opened(kind: str, folder: Path) -> tsdb.Database:
    return tsdb.memory() if kind == "memory" else tsdb.open(folder, sync="os")


@pytest.mark.parametrize("kind", ["memory", "disk"])
def bench_append_whole_targets(
    benchmark: BenchmarkFixture, small_fleet: Fleet, tmp_path: Path, kind: str
) -> None:
    """Large batches, as an import makes them: what the log and the head cost for each sample."""
    batches = list(small_fleet.batches())
    stores: list[tsdb.Database] = []

    def empty() -> tuple[tuple[tsdb.Database], dict[str, object]]:
        if stores:
            stores[-1].close()
        stores.append(opened(kind, tmp_path / str(len(stores))))
        return (stores[-1],), {}

    def fill(store: tsdb.Database) -> tsdb.Database:
        for batch in batches:
            store.append(batch)
        return store

    benchmark.extra_info["samples"] = small_fleet.samples
    store = benchmark.pedantic(fill, setup=empty, rounds=5)

    found = store.select(COUNTERS, MIN_TIME_MS, MAX_TIME_MS)
    assert len(found.series) == small_fleet.counters
    assert found.samples == sum(t.counters.size for t in small_fleet.targets)
    store.close()


@pytest.mark.parametrize("kind", ["memory", "disk"])
def bench_append_scrapes(
    benchmark: BenchmarkFixture, small_fleet: Fleet, tmp_path: Path, kind: str
) -> None:
    """One sample for each series of a target in a batch, as a live server gets them.

    Decides how small a batch may be before its fixed cost shows.
    """
    scrapes = [t.batch(at, at + 1) for at in range(20) for t in small_fleet.targets]
    stores: list[tsdb.Database] = []

    def empty() -> tuple[tuple[tsdb.Database], dict[str, object]]:
        if stores:
            stores[-1].close()
        stores.append(opened(kind, tmp_path / str(len(stores))))
        return (stores[-1],), {}

    def fill(store: tsdb.Database) -> tsdb.Database:
        for scrape in scrapes:
            store.append(scrape)
        return store

    benchmark.extra_info["samples"] = sum(len(scrape) for scrape in scrapes)
    store = benchmark.pedantic(fill, setup=empty, rounds=5)

    found = store.select(COUNTERS, MIN_TIME_MS, MAX_TIME_MS)
    assert found.samples == 20 * small_fleet.counters
    store.close()


def bench_flush(benchmark: BenchmarkFixture, small_fleet: Fleet, tmp_path: Path) -> None:
    """Head → compressed blocks. `extra_info` holds bytes a sample: decides the level of pcodec."""
    stores: list[tsdb.Database] = []

    def full() -> tuple[tuple[tsdb.Database], dict[str, object]]:
        if stores:
            stores[-1].close()
        stores.append(tsdb.open(tmp_path / str(len(stores)), sync="os"))
        return (small_fleet.fill(stores[-1]),), {}

    benchmark.pedantic(tsdb.Database.flush, setup=full, rounds=3)

    store = stores[-1]
    assert store.path is not None
    size = sum(file.stat().st_size for file in store.path.rglob("*") if file.is_file())
    benchmark.extra_info["bytes_per_sample"] = round(size / small_fleet.samples, 3)
    assert store.select(COUNTERS, MIN_TIME_MS, MAX_TIME_MS).samples == sum(
        t.counters.size for t in small_fleet.targets
    )
    assert size < 8 * small_fleet.samples
    store.close()
