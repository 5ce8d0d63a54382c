"""What is known to be empty goes, with what needs it."""

from __future__ import annotations

import pytest

from novaql.language import parse
from novaql.options import QueryOptions
from novaql.planner import build_plan
from novaql.planner.by_tile import unwrap
from novaql.planner.logical import FunctionCall, Nothing, Plan, Select
from novaql.planner.optimizer import of_floats
from novaql.planner.rules.drop_dead_branches import drop_dead_branches


def plan_of(text: str) -> Plan:
    return of_floats(build_plan(parse(text), text, QueryOptions(0, 600_000, 60_000)))


@pytest.mark.parametrize(
    "text",
    [
        'm{a="1",a="2"}',
        'm{a="1",a!~"1|2"}',
        'rate(m{a="1",a="2"}[5m])',
        'sum by (b) (max_over_time((-m{a="1",a="2"})[5m:]))',
        'm{a="1",a=""} * 2',
        "m and on () (vector(0) == 1)",
        "(vector(3) < 2) * on () group_right sum by (b) (rate(m_total[5m]))",
        "(1 > vector(1)) unless m",
    ],
)
def test_nothing_is_left(text: str) -> None:
    assert drop_dead_branches(plan_of(text)) == Nothing()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("m or (vector(0) == 1)", "m"),
        ("(vector(0) == 1) or m", "m"),
        ("m unless on () (vector(0) == 1)", "m"),
        ("m and on () (vector(1) == 1)", "m and on () vector(1)"),
        ("m and on () (2 > vector(1))", "m and on () vector(1)"),
        ('sum(m or n{a="1",a="2"})', "sum(m)"),
        ('m or n{a="1",a="2"} unless (vector(0) == 1) or m', "m or m"),
        ('sum(m) + (sum(m{a="1",a="2"}) or vector(0))', "sum(m) + vector(0)"),
    ],
)
def test_the_rest_stays(before: str, after: str) -> None:
    assert drop_dead_branches(plan_of(before)) == plan_of(after)


@pytest.mark.parametrize(
    "text",
    [
        'absent(m{a="1",a="2"})',
        'absent_over_time(m{a="1",a="2"}[5m])',
        "vector(NaN) != 1",  # true
        "vector(0) == bool 1",
        'm + fill (0) m{a="1",a="2"}',
        "rate(gauge[5m]) and (vector(0) == 1)",  # told: its name is no counter's
        "(m + on (x) n) and (vector(0) == 1)",  # m and n may not match one to one
        'm{a="1",a="1"}',
        'count(m{a="1"}) or vector(0)',
    ],
)
def test_what_could_be_noticed_is_evaluated(text: str) -> None:
    assert not isinstance(drop_dead_branches(plan_of(text)), Nothing)


@pytest.mark.parametrize("name", ["timestamp", "absent"])
@pytest.mark.parametrize("text", ['(m{b="x"} or n{a="1",a="2"})', '(n{a="1",a="2"} or m{b="x"})'])
def test_what_is_left_is_no_selector_to_functions_that_look_at_one(name: str, text: str) -> None:
    plan = drop_dead_branches(plan_of(f"{name}({text})"))
    assert isinstance(plan, FunctionCall)
    assert not isinstance(unwrap(plan.arguments[0]), Select)
