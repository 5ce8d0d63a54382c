"""The option `start_timestamps`, for floats alone and beside native histograms."""

from __future__ import annotations

import pytest

from novaql import evaluate
from novaql.options import QueryOptions
from novaql.promqltest.outcome import outcome_of
from novaql.promqltest.runner import cases
from novaql.promqltest.script_parser import parse_script

LOAD = """load 1m
    begun_total{kind="float"}@st -30s -30s -30s -30s
    begun_total{kind="float"} 1 2 3 4
    begun_total{kind="histogram"}@st -30s -30s -30s -30s
    begun_total{kind="histogram"} {{count:1 buckets:[1]}}+{{count:1 buckets:[1]}}x3

eval instant at 3m begun_total
"""


@pytest.mark.parametrize(
    ("function", "begun", "unknown"),
    [("increase", 8.75, 2.5), ("resets", 2.0, 0.0), ("irate", 4 / 60, 1 / 60)],
)
def test_starts_can_be_left_unread(function: str, begun: float, unknown: float) -> None:
    ((_, storage),) = cases(parse_script(LOAD, "script"))
    for matchers in "", '{kind="float"}':
        for on, expected in (True, begun), (False, unknown):
            options = QueryOptions(180_000, 180_000, 0, start_timestamps=on)
            query = f"{function}(begun_total{matchers}[150s])"
            found = outcome_of(evaluate(query, storage.source(), options))

            values = found.series[(("kind", "float"),)]
            assert values == {180_000: pytest.approx(expected)}, (matchers, on)
