"""Plans are lowered to operators once: nothing is read, and operators know what they will read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from novaql import QueryOptions, evaluate
from novaql.evaluator.context import Context
from novaql.evaluator.estimate import estimate_of
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.lower import lower
from novaql.evaluator.operator import Operator
from novaql.evaluator.steps import Steps
from novaql.inputs.tables.table_source import TableSource
from novaql.planner.logical import Shared
from novaql.planner.plan_cache import PLANS
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

OPTIONS = QueryOptions(600_000, 1_200_000, 60_000)
STEPS = Steps.between(600_000, 1_200_000, 60_000)
SERIES, SAMPLES = 3, 120


class Unread:
    """A source without anything to read."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


def lowered(text: str, options: QueryOptions = OPTIONS) -> Operator:
    plan = PLANS.plan(text, options, floats_only=True)
    return lower(Context(Unread(), options), plan, STEPS)


def reads(operator: Operator) -> list[tuple[int, int]]:
    found = [operator.read.span_ms] if operator.read is not None else []
    return found + [span for below in operator.operands for span in reads(below)]


def fleet() -> TableSource:
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(SERIES)])
    times = np.tile(np.arange(SAMPLES) * 15_000, SERIES)
    return TableSource(
        Batch(table, np.repeat(np.arange(SERIES), SAMPLES), times, np.ones(len(times)))
    )


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("m", [(300_001, 1_200_000)]),
        ("m offset 1m", [(240_001, 1_140_000)]),
        ("m @ 100", [(-199_999, 100_000)]),
        ("m smoothed", [(300_001, 1_500_000)]),
        ("sum(rate(m[2m]))", [(480_001, 1_200_000)]),
        ("rate(m[2m] anchored)", [(180_001, 1_200_000)]),
        ("rate(m[2m] smoothed)", [(180_001, 1_500_000)]),
        ("max_over_time(m[2m:1m])", [(240_001, 1_200_000)]),
        ("timestamp(m @ 100)", [(-199_999, 100_000)]),
        ("info(m)", [(300_001, 1_200_000), (300_001, 1_200_000)]),
        ("topk(scalar(n), m)", [(300_001, 1_200_000), (300_001, 1_200_000)]),
        ("1 + time()", []),
    ],
)
def test_operators_own_what_they_read(text: str, spans: list[tuple[int, int]]) -> None:
    assert reads(lowered(text)) == spans


def test_windows_with_their_left_end_read_one_millisecond_more() -> None:
    options = QueryOptions(600_000, 1_200_000, 60_000, left_closed=True)

    assert reads(lowered("rate(m[2m])", options)) == [(480_000, 1_200_000)]


def test_a_shared_part_is_one_operator() -> None:
    found: list[Operator] = []

    def collect(operator: Operator) -> None:
        if isinstance(operator.plan, Shared):
            found.append(operator.operands[0])
        for below in operator.operands:
            collect(below)

    collect(lowered("sum(m) + sum(m) * sum(m)"))

    assert len(found) == 3
    assert len(set(found)) == 1


def test_the_estimate_is_the_sum_over_operators() -> None:
    context = Context(fleet(), OPTIONS)
    operator = lower(context, PLANS.plan("m + ignoring(i) group_left sum(m)", OPTIONS), STEPS)

    found = estimate_of(context, operator)

    assert found.series == SERIES
    assert found.samples == context.samples_read


@pytest.mark.parametrize("text", ["sum(m)", "m", "stddev(m)", "sum(abs(m))", "sum(-rate(m[5m]))"])
def test_the_work_of_a_query_counts_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled kernels are loaded after so much work, which a query that NumPy runs adds to."""
    counted: list[int] = []
    monkeypatch.setattr(KERNELS, "ready", lambda work=0: counted.append(work))

    samples = evaluate(text, fleet(), OPTIONS).stats.samples

    assert counted.count(samples + STEPS.count) == 1
