"""A plan of the cache is the one that would be made."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.language import AGGREGATORS, FUNCTIONS
from novaql.options import QueryOptions
from novaql.planner.plan_cache import PlanCache
from tests.support.generators.queries_with_extensions import ExtensionMaker

TIMES = [QueryOptions(600_000, 600_000), QueryOptions(600_000, 900_000, 30_000),
         QueryOptions(0, 900_000, 90_000), QueryOptions(0, 0)]  # fmt: skip
EXAMPLES = [
    *(row.example for row in FUNCTIONS.values()),
    *(row.example for row in AGGREGATORS.values()),
    "sum_over_time((sum(x))[2m])",
]


@pytest.mark.parametrize("query", EXAMPLES)
def test_of_examples(query: str) -> None:
    check(query)


@given(st.integers(0, 2**32))
def test_of_random_queries(seed: int) -> None:
    check(ExtensionMaker(random.Random(seed)).query())


def check(query: str) -> None:
    cache = PlanCache()
    for options in TIMES:
        assert cache.plan(query, options) == PlanCache().plan(query, options)
