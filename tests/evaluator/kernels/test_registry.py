"""The table of functions over ranges is complete, and its properties agree with the planner's."""

from __future__ import annotations

from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.language.signatures import FUNCTIONS
from novaql.language.value_types import ValueType
from novaql.planner import label_flow
from novaql.planner.rollup_calls import PER_SECOND, SAME, SERIES, UNIONS

ONLY_NUMPY = {
    "seasonal_baseline",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
}
"""Functions without a compiled kernel."""

ONLY_NUMPY_ANCHORED = {"changes", "delta", "increase", "increase_pure", "rate", "resets"}
"""Functions whose `anchored` windows have no compiled kernel."""

ROLLUP_CELLS = {
    "avg_over_time", "count_over_time", "delta", "first_over_time", "increase", "last_over_time",
    "max_over_time", "min_over_time", "present_over_time", "rate", "sum_over_time",
}  # fmt: skip


def test_every_function_over_ranges_has_an_entry() -> None:
    of_ranges = {
        name for name, signature in FUNCTIONS.items() if ValueType.MATRIX in signature.arguments
    }

    named = {name for name in RANGE_FUNCTIONS if ":" not in name}
    planned = {*SAME, *PER_SECOND, *UNIONS, "default_rollup", "error_budget_remaining"}
    assert named == of_ranges - label_flow.OF_WHOLE_RANGES - planned


def test_every_series_of_a_union_has_an_entry() -> None:
    parts = {f"{name}:{one}" for name, series in SERIES.items() for one in series}

    assert {n for n in RANGE_FUNCTIONS if ":" in n} == parts | {"quantiles_over_time:"}


def test_which_back_ends_a_function_has() -> None:
    assert {name for name, f in RANGE_FUNCTIONS.items() if f.strips is None} == ONLY_NUMPY
    assert {name for name, f in RANGE_FUNCTIONS.items() if f.cells is not None} == ROLLUP_CELLS
    exact = {name for name, f in RANGE_FUNCTIONS.items() if f.exact_ends and not f.anchored}
    assert exact == ONLY_NUMPY_ANCHORED


def test_properties_go_together() -> None:
    for function in RANGE_FUNCTIONS.values():
        assert function.whole_window or not function.slides
        assert function.exact_ends is not None or not function.smoothed
        assert function.reads_starts or not function.counter_only


def test_the_planner_knows_the_same_properties() -> None:
    counters = {name for name, function in RANGE_FUNCTIONS.items() if function.counter_only}
    native = {name for name, function in RANGE_FUNCTIONS.items() if not function.floats_only}

    assert counters == label_flow._COUNTERS_ONLY
    assert native >= label_flow._OF_ANY_SAMPLES
