"""Caches of a store whose series come and go hold one value of a query, not one for each moment.

Each append to a head, and each new series in it, makes a new part. What is cached for the part
before is of no use then.
"""

from __future__ import annotations

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
