"""Functions of MetricsQL over the whole range of a query: each step depends on other steps."""

from __future__ import annotations

from novaql.language.signatures.signature import SCALAR, VECTOR, Origin, Signature, by_name
from novaql.language.value_types import ValueType

_GAPS = "In MetricsQL, values after a gap weigh less."
_RANGE = " It depends on the range of the query. Histograms are dropped; names stay."


def _row(
    name: str,
    doc: str,
    example: str,
    arguments: tuple[ValueType, ...] = (VECTOR,),
    *,
    variadic: bool = False,
    differences: str = "",
) -> Signature:
    return Signature(
        name, arguments, VECTOR, doc + _RANGE, example, variadic=variadic,
        origin=Origin.METRICSQL, differences=differences,
    )  # fmt: skip


def _statistic(name: str, what: str, differences: str = "") -> Signature:
    return _row(
        name, f"{what} of each series over all steps of the query, at each step, also where the "
        "series is absent.", f"node_load1 / {name}(node_load1)", differences=differences,
    )  # fmt: skip


def _running(name: str, what: str, differences: str = "") -> Signature:
    return _row(
        name, f"{what} of the values of each series from the first step of the query to this one; "
        "absent before the first value.", f"{name}(node_load1)", differences=differences,
    )  # fmt: skip


_STATISTICS = by_name(
    _statistic("range_avg", "Mean", _GAPS),
    _statistic("range_first", "First value"),
    _statistic("range_last", "Last value"),
    _statistic("range_linear_regression", "Line of least squares through the values"),
    _statistic("range_mad", "Median absolute deviation from the median"),
    _statistic("range_max", "Largest value"),
    _statistic("range_median", "Median"),
    _statistic("range_min", "Smallest value"),
    _statistic("range_stddev", "Population standard deviation"),
    _statistic("range_stdvar", "Population variance"),
    _statistic("range_sum", "Sum"),
    _row(
        "range_quantile",
        "The φ-quantile of each series over all steps, at each step; linear between neighbouring "
        "ranks. φ is that of the first step; -Inf for φ < 0, +Inf for φ > 1.",
        "range_quantile(0.9, node_load1)",
        (SCALAR, VECTOR),
    ),
)  # fmt: skip

_RELATIONS = by_name(
    _row(
        "range_normalize",
        "Each value moved and scaled so that the smallest of its series over all steps is 0 and "
        "the largest 1; a series with one value throughout is absent. Takes several vectors.",
        "range_normalize(node_load1, node_load5)",
        variadic=True,
    ),
    _row(
        "range_zscore",
        "How many standard deviations each value is above the mean of its series over all steps; "
        "a series with one value throughout is absent.",
        "range_zscore(node_load1)",
    ),
    _row(
        "range_trim_outliers",
        "range_trim_outliers(k, v): without the values that differ from the median of their series "
        "by more than k times its median absolute deviation.",
        "range_trim_outliers(3, node_load1)",
        (SCALAR, VECTOR),
    ),
    _row(
        "range_trim_spikes",
        "range_trim_spikes(φ, v): without the share φ of the values of each series, half of them "
        "the largest and half the smallest; values equal to a bound stay.",
        "range_trim_spikes(0.05, node_load1)",
        (SCALAR, VECTOR),
    ),
    _row(
        "range_trim_zscore",
        "range_trim_zscore(z, v): without the values that differ from the mean of their series by "
        "more than z standard deviations.",
        "range_trim_zscore(2, node_load1)",
        (SCALAR, VECTOR),
    ),
)

WHOLE_RANGE = _STATISTICS | _RELATIONS | by_name(
    _running("running_avg", "Mean", _GAPS),
    _running("running_max", "Maximum"),
    _running("running_min", "Minimum"),
    _running("running_sum", "Sum"),
    _row(
        "keep_last_value",
        "Each series with its gaps, and the steps after its end, filled with the value before.",
        "keep_last_value(up == 1)",
    ),
    _row(
        "keep_next_value",
        "Each series with its gaps, and the steps before its beginning, filled with the next "
        "value.",
        "keep_next_value(up == 1)",
    ),
    _row(
        "interpolate",
        "Each series with its gaps filled on a straight line between the values on both sides.",
        "interpolate(node_load1 < 3)",
    ),
    _row(
        "smooth_exponential",
        "smooth_exponential(v, f): exponential moving average, f × value + (1 - f) × average so "
        "far; f from 0 to 1, beyond it is capped. Infinite values and NaN do not count; in place "
        "of infinite ones, but the first, is the average so far.",
        "smooth_exponential(node_load1, 0.3)",
        (VECTOR, SCALAR),
    ),
    _row(
        "remove_resets",
        "Each series, a counter, with what it lost at resets added from there on. After a drop of "
        "less than an eighth it stays where it was.",
        "remove_resets(http_requests_total)",
    ),
    _row(
        "drop_empty_series",
        "The argument: absence is no value, so that no series is empty.",
        "drop_empty_series(up == 1)",
        differences="MetricsQL removes series of NaN alone, which is no value there.",
    ),
)  # fmt: skip
