"""Chains of thousands of operators are planned and evaluated, and soon."""

from __future__ import annotations

import numpy as np
import pytest

from novaql import evaluate, explain, query_options
from novaql.inputs.tables.table_source import TableSource
from novaql.planner.logical import BinaryOp, Constant
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from tests.support.programs.query_answers import answer_of_result

LONG = 1000
OPTIONS = query_options(start=0, end=60, step=30)


@pytest.fixture(scope="module")
def ones() -> TableSource:
    """Series a and b, 1 at every second of two minutes."""
    table = SeriesTable.from_dicts([{"__name__": "a"}, {"__name__": "b"}])
    times = np.tile(np.arange(0, 120_000, 1000), 2)
    return TableSource(Batch(table, np.repeat([0, 1], 120), times, np.ones(240)))


CHAINS = {
    "one series": ("a" + " + a" * LONG, LONG + 1),
    "two series": ("a" + " + b" * LONG, LONG + 1),
    "numbers": ("1" + " + 1" * LONG, LONG + 1),
    "times": ("time() * 0" + " + time() * 0" * LONG + " + a", 1),
    "numbers first": ("1" + " + 1" * LONG + " + a", LONG + 2),
    "numbers last": ("a" + " + 1" * LONG, LONG + 1),
    "mixed": ("a" + " + 1 + b" * LONG, 2 * LONG + 1),
    "vectors first": ("a + b" + " + 1" * LONG + " - b", LONG + 1),
    "of groups": ("(a + b)" + " + (a + b)" * LONG, 2 * LONG + 2),
    "comparisons": ("a" + " > 0" * LONG, 1),
    "negations": ("-a" + " + -a" * LONG, -LONG - 1),
    "pinned": ("a @ 10" + " + a @ 10" * LONG, LONG + 1),
    "pinned first": ("a @ 10" + " + a @ 10" * LONG + " + a", LONG + 2),
    "sets": ("a" + " or b and a unless b" * (LONG // 3), 1),
    "aggregated": ("sum(a" + " + a" * LONG + ")", LONG + 1),
    "in a call": ("vector(1" + " + 1" * LONG + ")", LONG + 1),
    "on samples": ("last_over_time(a[30s]" + " + 1" * LONG + ")", LONG + 1),
    "before samples": ("last_over_time((1" + " + 1" * LONG + ") * a[30s])", LONG + 1),
    "sets in a subquery": ("first_over_time((a" + " and a" * LONG + ")[30s:15s] @ 60)", 1),
    "in a subquery": ("max_over_time((a" + " + a" * LONG + ")[30s:15s] @ 60)", LONG + 1),
}


@pytest.mark.parametrize(("text", "value"), CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("optimizer", [True, False], ids=["optimised", "plain"])
def test_long_chains_are_evaluated(
    ones: TableSource, text: str, value: float, optimizer: bool
) -> None:
    result = evaluate(text, ones, OPTIONS, optimizer=optimizer)

    (points,) = answer_of_result(result).values()
    assert points == dict.fromkeys([0, 30_000, 60_000], value)


@pytest.mark.slow
def test_ten_thousand_terms_are_evaluated(ones: TableSource) -> None:
    result = evaluate("a" + "+a" * 9_999, ones, OPTIONS)

    assert result.values.tolist() == [[10_000.0] * 3]


@pytest.mark.parametrize(
    "text",
    ["abs(" * 190 + "a" + ")" * 190, "a" + " |> abs" * 190, "sum(" * 190 + "a" + ")" * 190,
     "max_over_time(" * 95 + "a" + "[30s:15s])" * 95],
    ids=["calls", "pipes", "aggregations", "subqueries"],
)  # fmt: skip
def test_what_nests_deeply_is_evaluated(ones: TableSource, text: str) -> None:
    assert evaluate(text, ones, OPTIONS).values.tolist() == [[1.0] * 3]


@pytest.mark.slow
def test_names_removed_at_once_do_not_change_a_chain(ones: TableSource) -> None:
    options = query_options(start=0, end=60, step=30, name_removal="eager")

    result = evaluate("abs(a)" + " + abs(a)" * LONG, ones, options)

    assert answer_of_result(result) == {(): dict.fromkeys([0, 30_000, 60_000], LONG + 1.0)}


@pytest.mark.slow
def test_long_plans_compare_and_are_explained() -> None:
    def chain(last: float) -> BinaryOp:
        plan = BinaryOp("+", Constant(1), Constant(last))
        for _ in range(10_000):
            plan = BinaryOp("+", plan, Constant(1))
        return plan

    assert chain(2) == chain(2)
    assert hash(chain(2)) == hash(chain(2))
    assert chain(2) != chain(3)
    assert chain(2) != chain(2).left
    assert explain("a" + " + a" * LONG).count("BinaryOp op=+") == 2 * LONG
