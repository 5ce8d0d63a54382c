"""Each rule: the plan before and after, as text."""

from __future__ import annotations

import pytest

from novaql.language import parse
from novaql.options import QueryOptions
from novaql.planner import build_plan, optimize
from novaql.planner.logical import Plan, show
from novaql.planner.optimizer import trace
from novaql.planner.rules import RULES
from novaql.planner.rules.fold_constants import fold_constants
from novaql.planner.rules.hoist_step_invariant import hoist_step_invariant
from novaql.planner.rules.sort_matchers import sort_matchers

OPTIONS = QueryOptions(0, 600_000, 60_000)


def plan_of(text: str) -> Plan:
    return build_plan(parse(text), text, OPTIONS)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2 * 3 + 1", "7"),
        ("-(4 / 2)", "-2"),
        ("x * (2 * 3)", "x * 6"),
        ("predict_linear(x[1h], 4 * 3600)", "predict_linear(x[1h], 14400)"),
    ],
)
def test_fold_constants(before: str, after: str) -> None:
    assert fold_constants(plan_of(before)) == fold_constants(plan_of(after))
    assert "BinaryOp op=*" not in show(fold_constants(plan_of("2 * 3")))


def test_division_by_zero_is_left_to_the_kernels() -> None:
    plan = plan_of("1 / 0")
    assert fold_constants(plan) == plan


def test_sort_matchers_makes_equal_selectors_equal_plans() -> None:
    assert sort_matchers(plan_of('m{b="2", a="1"}')) == sort_matchers(plan_of('m{a="1", b="2"}'))


def test_sort_matchers_keeps_the_order_of_matchers_of_one_label() -> None:
    assert sort_matchers(plan_of('m{a!="x", a="y"}')) != sort_matchers(plan_of('m{a="y", a!="x"}'))


@pytest.mark.parametrize(
    ("text", "hoisted"),
    [
        ("m @ 10", "StepInvariant\n  Select {__name__='m'} @ 10"),
        ("m", "Select {__name__='m'}"),
        (
            "rate(m[1m] @ end())",
            "StepInvariant\n  FunctionCall function=rate\n    Window range=1m\n"
            "      Select {__name__='m'} @ 600",
        ),
        (
            "predict_linear(m[1m] @ 5, 1)",
            "FunctionCall function=predict_linear\n  Window range=1m\n"
            "    Select {__name__='m'} @ 5\n  Constant 1",
        ),
    ],
)
def test_hoist_step_invariant(text: str, hoisted: str) -> None:
    assert hoisted == show(hoist_step_invariant(plan_of(text)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "text",
    ['sum by (a) (rate(m{z="1", a="2"}[5m] @ 100)) / 2 * 3', "topk(1 + 1, m) - m @ 3"],
)
def test_rules_leave_their_input_alone_and_settle(rule: object, text: str) -> None:
    assert callable(rule)
    plan = plan_of(text)
    before = show(plan)
    once = rule(plan)
    assert show(plan) == before
    if rule is not hoist_step_invariant:
        assert rule(once) == once


def test_optimizer_off_keeps_what_carries_meaning() -> None:
    stages = trace(plan_of("m @ 10 + 1 * 2"), enabled=False)
    assert [stage.rule for stage in stages] == ["as written", "hoist_step_invariant"]
    assert "StepInvariant" in show(optimize(plan_of("m @ 10"), enabled=False))
