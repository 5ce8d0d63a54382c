"""Which range queries are instant queries at each of their steps."""

from __future__ import annotations

import pytest

from novaql.options import QueryOptions
from novaql.planner.independent_steps import has_independent_steps

RANGE = QueryOptions(0, 600_000, 60_000)


@pytest.mark.parametrize(
    ("expr", "independent"),
    [
        ("up == 0", True),
        ("sum by (job) (rate(x_total[5m])) > 1", True),
        ("max_over_time(rate(x_total[5m])[1h:1m]) > 1 and x @ 60 == 1", True),
        ("vector(time()) > 5", True),
        ("x default 0", False),
        ("range_max(x) > 1", False),
        ("keep_last_value(x)", False),
        ("x @ end() > 1", False),
        ("sum_over_time(x[step()])", False),
        ("vector(step()) > x", False),
        ("max_over_time((x + step())[5m:1m])", False),
        ("vector(end()) - x", False),
        ("rate(x_total)", False),
        ("topk(1, x)", False),
    ],
)
def test_independent_steps(expr: str, *, independent: bool) -> None:
    assert has_independent_steps(expr, RANGE) is independent
