"""Fleets by size: six hours of samples for measurements, one hour when benchmarks run as ordinary
tests."""

from __future__ import annotations

import pytest

from benchmarks.datasets import Fleet, fleet
from novaql import tsdb

SIZES = (1_000, 10_000)


@pytest.fixture(scope="session")
def hours(request: pytest.FixtureRequest) -> float:
    option = request.config.getoption
    return 6 if option("benchmark_enable") or not option("benchmark_disable") else 1


@pytest.fixture(scope="session", params=SIZES, ids=lambda size: f"{size // 1000}k")
def sized_fleet(request: pytest.FixtureRequest, hours: float) -> Fleet:
    """A fleet with one or ten thousand request counters."""
    return fleet(request.param, hours)


@pytest.fixture(scope="session")
def small_fleet(hours: float) -> Fleet:
    """A fleet with a thousand request counters."""
    return fleet(1_000, hours)


@pytest.fixture(scope="session")
def filled(sized_fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> tsdb.Database:
    """The fleet in a store on disk, flushed to blocks, its pages not decoded yet."""
    database = tsdb.open(tmp_path_factory.mktemp("store"), sync="os")
    sized_fleet.fill(database)
    database.flush()
    return database
