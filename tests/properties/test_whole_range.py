"""Queries that look at other steps are never answered in pieces; all others may be."""

from __future__ import annotations

import random

import pytest

from docs.example_data import BEGIN, END, batch
from novaql import evaluate, query_options, tsdb
from novaql.errors import NovaqlError
from novaql.inputs.tables.table_source import TableSource
from novaql.language import AGGREGATORS, FUNCTIONS, parse
from novaql.options import QueryOptions
from novaql.planner import build_plan
from novaql.planner.logical import Aggregation, FunctionCall, Plan, children
from novaql.planner.reach import reach
from novaql.planner.whole_range import RANGE_AGGREGATIONS, WHOLE_RANGE
from novaql.result_cache import ResultCache
from tests.properties.test_differential_metricsql import START_S, STEP_S, STEPS, random_grid
from tests.support.generators.metricsql_queries import MetricsqlMaker
from tests.support.generators.random_samples import batch_of
from tests.support.programs.query_answers import Answer, answer_of_result, disagreement

QUERIES = 400


def _options(first: int, last: int) -> QueryOptions:
    start_s, end_s = START_S + STEP_S * first, START_S + STEP_S * last
    return QueryOptions(start_s * 1000, end_s * 1000, STEP_S * 1000, lookback_ms=1000)


def _plan(query: str) -> Plan:
    return build_plan(parse(query), query, _options(0, STEPS - 1))


def _answer(query: str, source: TableSource, first: int, last: int) -> Answer | None:
    try:
        return answer_of_result(evaluate(query, source, _options(first, last)))
    except NovaqlError:
        return None


@pytest.mark.slow
def test_what_has_a_reach_is_the_same_step_by_step() -> None:
    rng = random.Random(16)
    source = TableSource(batch_of(random_grid(rng)))
    compared = 0
    for _ in range(QUERIES):
        query = MetricsqlMaker(rng).query()
        whole = _answer(query, source, 0, STEPS - 1)
        if whole is None or reach(_plan(query), 1000) is None:
            continue
        joined: Answer = {}
        for step in range(STEPS):
            for key, points in (_answer(query, source, step, step) or {}).items():
                joined.setdefault(key, {}).update(points)
        assert disagreement(whole, joined) is None, query
        compared += 1
    assert compared > QUERIES / 4


@pytest.mark.slow
def test_examples_with_a_reach_are_the_same_step_by_step() -> None:
    source, compared = TableSource(batch()), 0
    examples = [row.example for row in FUNCTIONS.values()]
    examples += [row.example for row in AGGREGATORS.values()]
    for example in examples:
        options = query_options(start=BEGIN, end=END, step="12m")
        if reach(build_plan(parse(example), example, options), 300_000) is None:
            continue
        whole = answer_of_result(evaluate(example, source, options))
        joined: Answer = {}
        for time_ms in range(options.start_ms, options.end_ms + 1, options.step_ms):
            step = query_options(start=time_ms / 1000, end=time_ms / 1000, step="12m")
            for key, points in answer_of_result(evaluate(example, source, step)).items():
                joined.setdefault(key, {}).update(points)
        assert disagreement(whole, joined) is None, example
        compared += 1
    assert compared > len(examples) / 2


@pytest.mark.parametrize("name", sorted(WHOLE_RANGE))
def test_functions_of_the_range_have_no_reach(name: str) -> None:
    plan = next(iter(_calls(name)))

    assert reach(plan, 1000) is None


def _calls(name: str) -> list[Plan]:
    plan = _plan(FUNCTIONS[name].example)
    return [
        node for node in _nodes(plan) if isinstance(node, FunctionCall) and node.function == name
    ]


def _nodes(plan: Plan) -> list[Plan]:
    return [plan, *(node for child in children(plan) for node in _nodes(child))]


@pytest.mark.parametrize("name", sorted(RANGE_AGGREGATIONS))
def test_aggregations_of_the_range_have_no_reach(name: str) -> None:
    found = [
        node
        for node in _nodes(_plan(AGGREGATORS[name].example))
        if isinstance(node, Aggregation) and node.op == name
    ]
    assert [reach(node, 1000) for node in found] == [None]


@pytest.mark.parametrize(
    "query",
    ["range_sum(x)", "running_sum(x)", "topk_max(1, x)", "outliersk(1, x)", "histogram(x)",
     "sum(keep_last_value(x > 10))", 'quantiles_over_time("phi", time() / 1e12, x[1m])'],
)  # fmt: skip
def test_a_cached_query_is_evaluated_as_a_whole(query: str) -> None:
    rng = random.Random(3)
    with tsdb.memory() as store:
        store.append(batch_of(random_grid(rng)))
        cache = ResultCache()
        evaluate(query, store, _options(0, STEPS - 3), cache=cache)
        later = answer_of_result(evaluate(query, store, _options(1, STEPS - 2), cache=cache))

        assert later == answer_of_result(evaluate(query, store, _options(1, STEPS - 2)))
        assert cache.steps_reused == 0
