"""MetricsQL's functions that aggregate the values of a range, and their times."""

from __future__ import annotations

from functools import partial

from novaql.language.signatures.signature import (
    MATRIX,
    SCALAR,
    STRING,
    VECTOR,
    Origin,
    Signature,
    by_name,
)

Row = partial(Signature, origin=Origin.METRICSQL)

_COMPARISONS = {
    "eq": "equal the number",
    "ne": "differ from the number, NaN among them",
    "gt": "are greater than the number",
    "le": "are at most the number",
}


def _tallies() -> list[Signature]:
    rows = []
    for what, sentence, names in (
        ("count", "How many samples in the range {}. 0 where none does.", ("eq", "ne", "gt", "le")),
        ("share", "Which share of the samples in the range, 0 to 1, {}.", ("eq", "gt", "le")),
        ("sum", "Sum of the samples in the range that {}. 0 where none does.", ("eq", "gt", "le")),
    ):
        for name in names:
            function = f"{what}_{name}_over_time"
            doc = sentence.format(_COMPARISONS[name]) + " Absent where there is no sample."
            example = f"{function}(node_load1[1h], 4)"
            rows.append(Row(function, (MATRIX, SCALAR), VECTOR, doc, example))
    return rows


METRICSQL_OVER_TIME = by_name(
    *_tallies(),
    Row(
        "sum2_over_time", (MATRIX,), VECTOR,
        "Sum of the squares of the values in the range. NaN if any is NaN.",
        "sum2_over_time(node_load1[1h])",
    ),
    Row(
        "range_over_time", (MATRIX,), VECTOR,
        "Largest value in the range less the smallest. NaN only if all are NaN.",
        "range_over_time(node_load1[1h])",
    ),
    Row(
        "median_over_time", (MATRIX,), VECTOR,
        "Median of the values in the range: `quantile_over_time(0.5, …)`, but the metric name is "
        "retained.",
        "median_over_time(node_load1[1h])",
    ),
    Row(
        "mode_over_time", (MATRIX,), VECTOR,
        "Most frequent value in the range, of several the smallest. Retains the metric name.",
        "mode_over_time(go_goroutines[1h])",
        differences="Of several, MetricsQL may return another one, or the sample before the range.",
    ),
    Row(
        "distinct_over_time", (MATRIX,), VECTOR,
        "How many different values the range holds. NaN is one of them.",
        "distinct_over_time(build_number[1d])",
    ),
    Row(
        "geomean_over_time", (MATRIX,), VECTOR,
        "Geometric mean of the values in the range. NaN if any is negative or NaN. "
        "Retains the metric name.",
        "geomean_over_time(node_load1[1h])",
        differences="In MetricsQL, negative values may cancel each other out.",
    ),
    Row(
        "zscore_over_time", (MATRIX,), VECTOR,
        "Distance of the newest value from the mean of the range, in standard deviations; 0 where "
        "it is the mean. Needs two samples.",
        "zscore_over_time(node_load1[1h])",
        differences="MetricsQL has no value if the newest sample is older than a scrape interval.",
    ),
    Row(
        "outlier_iqr_over_time", (MATRIX,), VECTOR,
        "Newest value of the range where it lies more than 1.5 interquartile ranges above the "
        "upper quartile or below the lower one; absent otherwise. Needs two samples.",
        "outlier_iqr_over_time(go_goroutines[1h])",
    ),
    Row(
        "hoeffding_bound_lower", (SCALAR, MATRIX), VECTOR,
        "Lower bound of the mean of the range with confidence φ, 0 to 1, by Hoeffding's "
        "inequality. The mean for φ <= 0, -Inf for φ >= 1. Retains the metric name.",
        "hoeffding_bound_lower(0.95, node_load1[1h])",
    ),
    Row(
        "hoeffding_bound_upper", (SCALAR, MATRIX), VECTOR,
        "Upper bound of the mean of the range with confidence φ, 0 to 1, by Hoeffding's "
        "inequality. The mean for φ <= 0, +Inf for φ >= 1. Retains the metric name.",
        "hoeffding_bound_upper(0.95, node_load1[1h])",
    ),
    Row(
        "rate_over_sum", (MATRIX,), VECTOR,
        "Sum of the values in the range, per second of the range's length.",
        "rate_over_sum(errors[1h])",
    ),
    Row(
        "quantiles_over_time", (STRING, SCALAR, MATRIX), VECTOR,
        "Several quantiles of the values in the range: each becomes a series with φ, as it is at "
        "the first step, in the label named first. Retains the metric name.",
        'quantiles_over_time("q", 0.5, 0.9, node_load1[1h])',
        repeated=1,
    ),
    Row(
        "aggr_over_time", (STRING, MATRIX), VECTOR,
        "Several functions of the same range, named by the first arguments: each result has the "
        "function's name in the label rollup.",
        'aggr_over_time("min_over_time", "max_over_time", node_load1[1h])',
        repeated=0,
        differences="MetricsQL has the names in parentheses; this is accepted too.",
    ),
    Row(
        "count_values_over_time", (STRING, MATRIX), VECTOR,
        "How often each value occurs in the range. The value becomes the label named first, as "
        "the shortest decimal.",
        'count_values_over_time("version", build_number[1d])',
    ),
    Row(
        "histogram_over_time", (MATRIX,), VECTOR,
        "How many values of the range lie in each bucket of a histogram, 18 to a power of ten, "
        "with the bounds in the label vmrange. Negative values and NaN are left out.",
        "histogram_over_time(build_number[1h])",
    ),
    Row(
        "stale_samples_over_time", (MATRIX,), VECTOR,
        "How many staleness markers the range holds. Absent where it holds no marker and no "
        "sample.",
        "stale_samples_over_time(up[1d])",
    ),
    Row(
        "duration_over_time", (MATRIX, SCALAR), VECTOR,
        "Seconds for which the range has samples: the sum of the gaps between neighbouring "
        "samples, of those of at most so many seconds. 0 with a single sample.",
        "duration_over_time(up[1d], 60)",
    ),
    Row(
        "lifetime", (MATRIX,), VECTOR,
        "Seconds between the oldest and the newest sample in the range. Needs two samples in it.",
        "lifetime(up[1d])",
        differences="MetricsQL also counts from the last sample before the range.",
    ),
    Row(
        "lag", (MATRIX,), VECTOR,
        "Seconds between the newest sample in the range and the range's end.",
        "lag(backup_size_bytes[1h])",
    ),
    Row(
        "scrape_interval", (MATRIX,), VECTOR,
        "Mean of the seconds between neighbouring samples in the range. Needs two samples in it.",
        "scrape_interval(up[1h])",
        differences="MetricsQL also counts from the last sample before the range.",
    ),
    Row(
        "tfirst_over_time", (MATRIX,), VECTOR,
        "Time of the oldest sample in the range, in Unix seconds: `ts_of_first_over_time`.",
        "tfirst_over_time(node_load1[1d])",
    ),
    Row(
        "tlast_over_time", (MATRIX,), VECTOR,
        "Time of the newest sample in the range, in Unix seconds: `ts_of_last_over_time`.",
        "tlast_over_time(node_load1[1d])",
    ),
    Row(
        "tmin_over_time", (MATRIX,), VECTOR,
        "Time of the smallest value in the range, in Unix seconds: `ts_of_min_over_time`.",
        "tmin_over_time(node_load1[1d])",
    ),
    Row(
        "tmax_over_time", (MATRIX,), VECTOR,
        "Time of the largest value in the range, in Unix seconds: `ts_of_max_over_time`.",
        "tmax_over_time(node_load1[1d])",
    ),
    Row(
        "tlast_change_over_time", (MATRIX,), VECTOR,
        "Time of the sample with which the newest value of the range began, in Unix seconds. "
        "Absent where all values in the range are equal.",
        "tlast_change_over_time(process_start_time_seconds[1d])",
        differences="MetricsQL also uses the last sample before the range.",
    ),
    Row(
        "timestamp_with_name", (MATRIX,), VECTOR,
        "Time of the newest sample in the range, in Unix seconds. Retains the metric name.",
        "timestamp_with_name(up[5m])",
    ),
)  # fmt: skip
