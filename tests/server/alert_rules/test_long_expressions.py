"""The cache of the thresholds of expressions."""

from __future__ import annotations

import gc
import tracemalloc

from novaql.server.alert_rules.thresholds import thresholds_of


def test_thresholds_of_long_expressions_are_cached_within_a_bound() -> None:
    long = " or ".join(["a > 1"] * 1500)
    thresholds_of(long)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(20):
            assert len(thresholds_of(f"{long} or b > {number}")) == 1501
        gc.collect()
        assert _held_by("thresholds.py") < 8 << 20
    finally:
        tracemalloc.stop()


def _held_by(file: str) -> int:
    found = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, f"*{file}")])
    return sum(each.size for each in found.statistics("filename"))
