"""Query text → checked tree."""

from __future__ import annotations

from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from novaql import parse
from novaql.language import format_expr
from novaql.language.ast import Binary, Expr

QUERIES = {
    "selector": 'up{job="api"}',
    "dashboard": 'sum by (job, status) (rate(http_requests_total{job=~"api|web"}[5m]))',
    "long": " + ".join(f'sum(rate(http_requests_total{{status="{n}"}}[5m]))' for n in range(100)),
}


@pytest.mark.parametrize("name", QUERIES)
def bench_parse(benchmark: BenchmarkFixture, name: str) -> None:
    """Decides whether LALR in Python is quick enough, and what the cache of trees saves.

    Every round parses a new text.
    """
    number = count()

    tree: Expr = benchmark(lambda: parse(f"{QUERIES[name]} or vector({next(number)})"))

    assert isinstance(tree, Binary)
    assert parse(QUERIES[name]) == tree.left


def bench_parse_again(benchmark: BenchmarkFixture) -> None:
    """The cost of a repeated query, such as every refresh of a dashboard sends."""
    text = QUERIES["dashboard"]

    assert benchmark(parse, text) is parse(text)


def bench_print(benchmark: BenchmarkFixture) -> None:
    """Canonical text of a long query: decides whether texts can be keys of caches."""
    tree = parse(QUERIES["long"])

    assert parse(benchmark(format_expr, tree)) == tree
