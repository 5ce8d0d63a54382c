"""Caches of a store whose series come and go hold one value of a query, not one for each moment.

Each append to a head, and each new series in it, makes a new part. What is cached for the part
before is of no use then.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from novaql import tsdb
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch

UP = [Matcher("__name__", MatchOp.EQUAL, "up")]
GONE = [Matcher("__name__", MatchOp.EQUAL, "gone")]
ROUNDS = 30


def append(database: tsdb.Database, number: int) -> None:
    """One more series."""
    table = SeriesTable.from_dicts([{"__name__": "up", "i": str(number)}])
    rows = np.zeros(1, np.int64)
    database.append(Batch(table, rows, rows + 1000 * number, np.ones(1)))


def test_the_united_series_of_a_query_replace_those_before() -> None:
    with tsdb.memory() as database:
        unions = database._reader.caches.unions
        for number in range(ROUNDS):
            append(database, number)
            assert len(database.select(UP, 0, 1000 * ROUNDS).series) == number + 1
            assert len(database.select(GONE, 0, 1000 * ROUNDS).series) == 0
        assert len(unions) == 2
        misses = unions.stats().misses
        database.select(UP, 0, 1000 * ROUNDS)
        assert unions.stats().misses == misses


def test_no_plan_of_a_head_is_cached() -> None:
    """Also not of a query that finds nothing in it."""
    with tsdb.memory() as database:
        for number in range(ROUNDS):
            append(database, number)
            database.select(UP, 0, 1000 * number)
            database.select(GONE, 0, 1000 * number)
        assert len(database._reader.caches.plans) == 0


def test_a_lookup_replaces_the_one_before() -> None:
    with tsdb.memory() as database:
        lookups = database._reader.lookups
        for number in range(ROUNDS):
            append(database, number)
            at = 1000 * number
            assert len(database.series([UP], at - 5000, at)) == min(number + 1, 6)
            assert database.label_names([UP], at - 5000, at) == ["__name__", "i"]
            assert database.label_values("i", [UP], at, at) == [str(number)]
        # of all parts, and texts of each part
        assert len(lookups) == 5
        misses, at = lookups.stats().misses, 1000 * (ROUNDS - 1)
        assert database.label_values("i", [UP], at, at) == [str(ROUNDS - 1)]
        assert lookups.stats().misses == misses


def test_batches_of_former_runs_of_a_head_are_removed(tmp_path: Path) -> None:
    """Each query reads the block and the head, which has got samples since the one before."""
    with tsdb.open(tmp_path / "store") as database:
        append(database, 0)
        database.flush()
        batches = database._reader.caches.batches
        for number in range(1, ROUNDS):
            append(database, number)
            assert samples(database, 0, 1000 * ROUNDS) == number + 1
        assert len(batches) == 1
        hits = batches.stats().hits
        assert samples(database, 0, 1000 * ROUNDS) == ROUNDS
        assert batches.stats().hits == hits + 1


def test_of_ranges_of_the_same_runs_the_last_one_is_cached(tmp_path: Path) -> None:
    with tsdb.open(tmp_path / "store") as database:
        append(database, 0)
        database.flush()
        for number in range(ROUNDS):
            again(database, number)
        batches = database._reader.caches.batches
        for number in range(1, ROUNDS):
            assert samples(database, 0, 1000 * number) == number + 1
        assert len(batches) == 1


def test_a_flush_removes_the_batches_of_the_head(tmp_path: Path) -> None:
    with tsdb.open(tmp_path / "store") as database:
        append(database, 0)
        database.flush()
        append(database, 1)
        assert samples(database, 0, 1000 * ROUNDS) == 2
        database.flush()
        assert samples(database, 0, 500) == 1
        keys = [str(key) for key in database._reader.caches.batches._entries]
        assert not [key for key in keys if "'run'" in key]


def again(database: tsdb.Database, number: int) -> None:
    """One more sample of a series."""
    table = SeriesTable.from_dicts([{"__name__": "up", "i": "0"}])
    rows = np.zeros(1, np.int64)
    database.append(Batch(table, rows, rows + 1000 * number, np.ones(1)))


def samples(database: tsdb.Database, start_ms: int, end_ms: int) -> int:
    """The number of samples in the range, all of them read."""
    found = 0
    for ref in database.select(UP, start_ms, end_ms).batches:
        batch = ref.load()
        low, high = batch.window(start_ms, end_ms)
        found += int((high - low)[batch.grid].sum())
    return found
