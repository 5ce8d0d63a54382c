"""Attributes of plan nodes as `explain` prints them: in the syntax of the language."""

from __future__ import annotations

import pytest

from novaql.language import parse
from novaql.options import QueryOptions
from novaql.planner import build_plan
from novaql.planner.show import show


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("m @ 0", "Select {__name__='m'} @ 0"),
        ("m @ 5.125 offset -90m", "Select {__name__='m'} offset=-1h30m @ 5.125"),
        ("max without () (m)", "Aggregation op=max without ()"),
        ("max by (a, b) (m)", "Aggregation op=max by (a, b)"),
        ("m > bool 1", "BinaryOp op=> return_bool"),
        ("m / ignoring (a) group_right (b) n", "BinaryOp op=/ ignoring (a) group_right (b)"),
        ("m and n", "BinaryOp op=and"),
        ("m / n", "BinaryOp op=/"),
    ],
)
def test_the_first_line(query: str, line: str) -> None:
    plan = build_plan(parse(query), query, QueryOptions(0, 60_000, 15_000))

    assert show(plan).splitlines()[0] == line


def test_a_subquery() -> None:
    query = "max_over_time(m[1h:5m] offset 1m)"
    plan = build_plan(parse(query), query, QueryOptions(0, 60_000, 15_000))

    assert show(plan).splitlines()[1] == "  SubqueryWindow range=1h step=5m offset=1m"
