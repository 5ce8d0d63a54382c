"""What `explain` says of the samples that selectors read."""

from __future__ import annotations

import re

import pytest

import novaql
from novaql import QueryError, QueryOptions

LOOKBACK = 300_000


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("m", ["(t - 5m, t]"]),
        ("rate(m[1h]) / n offset 1d", ["(t - 1h, t]", "(t - 1d5m, t - 1d]"]),
        ("m offset -1m", ["(t - 4m, t + 1m]"]),
        ("m @ 3600", ["(1970-01-01T00:55:00Z, 1970-01-01T01:00:00Z]"]),
        ("max_over_time(rate(m[5m])[1h:1m] offset 1m)", ["(t - 1h6m, t - 1m]"]),
        ("a + b + c", ["(t - 5m, t]"] * 3),
        ("a + a", ["(t - 5m, t]"]),
        ("1", []),
    ],
)
def test_time_ranges(text: str, ranges: list[str]) -> None:
    told = novaql.explain(text, QueryOptions(0, 0, lookback_ms=LOOKBACK))
    last = told.partition("time ranges\n")[2]

    assert ranges == re.findall(r"Select .*\[reads (.*\])\]", last)


@pytest.mark.parametrize("text", ["rate(m[10i])", "rate(m[step()])", "rate(m[range()])"])
def test_a_window_of_steps_says_that_an_instant_query_has_none(text: str) -> None:
    with pytest.raises(
        QueryError, match="greater than 0, the step and the range of an instant query are 0"
    ):
        novaql.explain(text, QueryOptions(0, 0, lookback_ms=LOOKBACK))

    with pytest.raises(QueryError, match="greater than 0") as caught:
        novaql.explain("rate(m[1m - 1m])", QueryOptions(0, 0, lookback_ms=LOOKBACK))
    assert caught.value.sentence == "the range must be greater than 0"
