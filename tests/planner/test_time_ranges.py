"""What `explain` says of the samples that selectors read."""

from __future__ import annotations

import re

import pytest

import novaql
from novaql import QueryOptions

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
