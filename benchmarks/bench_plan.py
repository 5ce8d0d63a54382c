"""Tree → logical plan → optimized logical plan."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bench_parse import QUERIES
from novaql import QueryOptions, parse
from novaql.language.value_types import ValueType
from novaql.planner import build_plan, optimize
from novaql.planner.logical import Plan, type_of

OPTIONS = QueryOptions(0, 3_600_000, 60_000)


@pytest.mark.parametrize("name", QUERIES)
def bench_plan(benchmark: BenchmarkFixture, name: str) -> None:
    """Decides whether plans need a cache of their own beside that of trees."""
    text = QUERIES[name]
    tree = parse(text)

    plan: Plan = benchmark(lambda: optimize(build_plan(tree, text, OPTIONS)))

    assert type_of(plan) is ValueType.VECTOR
