"""Laws of all rules. Each rule's own cases are in `fixtures/`."""

from __future__ import annotations

import pytest

from novaql.evaluator.kernels.dates import PARTS
from novaql.evaluator.kernels.elementwise import BITWISE, FUNCTIONS
from novaql.language import parse
from novaql.options import QueryOptions
from novaql.planner import build_plan, optimize
from novaql.planner.label_flow import CELL_BY_CELL
from novaql.planner.logical import MEMBER, Plan
from novaql.planner.optimizer import of_floats, trace
from novaql.planner.rules import RULES, Rule
from novaql.planner.rules.hoist_step_invariant import hoist_step_invariant
from novaql.planner.rules.share_subplans import share_subplans
from novaql.planner.show import show

OPTIONS = QueryOptions(0, 600_000, 60_000)


def plan_of(text: str) -> Plan:
    return build_plan(parse(text), text, OPTIONS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "text",
    ['sum by (a) (rate(m{z="1", a="2"}[5m] @ 100)) / 2 * 3', "topk(1 + 1, m) - m @ 3"],
)
def test_rules_leave_their_input_alone_and_settle(rule: Rule, text: str) -> None:
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


def test_the_planner_and_the_evaluator_speak_of_the_same_functions() -> None:
    """Those that `elementwise_stage` computes change each value by itself."""
    others = {"round", "clamp", "clamp_min", "clamp_max", MEMBER}
    assert {*FUNCTIONS, *PARTS, *BITWISE, *others} == CELL_BY_CELL


@pytest.mark.slow
def test_plans_that_double_at_every_level_stay_small() -> None:
    doubled = "a"
    for _ in range(12):
        doubled = f"({doubled} + {doubled})"

    assert show(share_subplans(of_floats(plan_of(doubled)))).count("Select") == 1
