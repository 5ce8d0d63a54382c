"""The cache of the thresholds of expressions."""

from __future__ import annotations

import gc

from novaql.server.alert_rules.schema import ThresholdOut
from novaql.server.alert_rules.thresholds import thresholds_of


def test_thresholds_of_long_expressions_are_cached_within_a_bound() -> None:
    long = " or ".join(["a > 1"] * 1500)
    for number in range(20):
        assert len(thresholds_of(f"{long} or b > {number}")) == 1501
    assert sum(isinstance(each, ThresholdOut) for each in gc.get_objects()) < 20_000
