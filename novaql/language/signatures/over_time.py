"""Functions that aggregate the values of a range, and their times."""

from __future__ import annotations

from novaql.language.signatures.signature import MATRIX, SCALAR, VECTOR, by_name
from novaql.language.signatures.signature import Signature as Row

OVER_TIME = by_name(
    Row(
        "avg_over_time", (MATRIX,), VECTOR,
        "Mean of the values in the range, each sample counting alike. NaN if any is NaN; found "
        "also where their sum overflows.",
        "avg_over_time(go_goroutines[1h])",
        differences="MetricsQL retains the metric name.",
    ),
    Row(
        "sum_over_time", (MATRIX,), VECTOR,
        "Sum of the values in the range, with compensation for rounding. NaN if any is NaN. "
        "Values are added in the order of time, so a sum that is infinite once stays so.",
        "sum_over_time(errors[1h])",
    ),
    Row(
        "count_over_time", (MATRIX,), VECTOR,
        "Number of samples in the range, histograms and NaN included. Absent where there is none.",
        "count_over_time(up[1h])",
    ),
    Row(
        "min_over_time", (MATRIX,), VECTOR,
        "Smallest value in the range. NaN only if all are NaN.",
        "min_over_time(node_load1[1h])",
        differences="MetricsQL retains the metric name.",
    ),
    Row(
        "max_over_time", (MATRIX,), VECTOR,
        "Largest value in the range. NaN only if all are NaN.",
        "max_over_time(node_load1[1h])",
        differences="MetricsQL retains the metric name.",
    ),
    Row(
        "stddev_over_time", (MATRIX,), VECTOR,
        "Population standard deviation of the values in the range, in their unit.",
        "stddev_over_time(node_load1[1h])",
    ),
    Row(
        "stdvar_over_time", (MATRIX,), VECTOR,
        "Population variance of the values in the range, in their squared unit.",
        "stdvar_over_time(node_load1[1h])",
    ),
    Row(
        "quantile_over_time", (SCALAR, MATRIX), VECTOR,
        "The φ-quantile of the values in the range, linear between neighbouring ranks. -Inf for "
        "φ < 0, +Inf for φ > 1, both with a warning.",
        "quantile_over_time(0.95, node_load1[1h])",
        differences="MetricsQL retains the metric name.",
    ),
    Row(
        "mad_over_time", (MATRIX,), VECTOR,
        "Median of the absolute deviations from the median of the range. NaN if any value is NaN.",
        "mad_over_time(node_load1[1h])",
        experimental=True,
    ),
    Row(
        "first_over_time", (MATRIX,), VECTOR,
        "Oldest value in the range, as it is. Retains the metric name.",
        "first_over_time(node_load1[1h])",
    ),
    Row(
        "last_over_time", (MATRIX,), VECTOR,
        "Newest value in the range, as it is. Retains the metric name.",
        "last_over_time(backup_size_bytes[1d])",
    ),
    Row(
        "present_over_time", (MATRIX,), VECTOR,
        "1 for each series with any sample in the range.",
        "present_over_time(up[10m])",
    ),
    Row(
        "ts_of_min_over_time", (MATRIX,), VECTOR,
        "Time of the smallest value in the range, in Unix seconds; of equal ones the last.",
        "ts_of_min_over_time(node_load1[1d])",
        experimental=True,
        differences="MetricsQL calls it tmin_over_time.",
    ),
    Row(
        "ts_of_max_over_time", (MATRIX,), VECTOR,
        "Time of the largest value in the range, in Unix seconds; of equal ones the last.",
        "ts_of_max_over_time(node_load1[1d])",
        experimental=True,
        differences="MetricsQL calls it tmax_over_time.",
    ),
    Row(
        "ts_of_first_over_time", (MATRIX,), VECTOR,
        "Time of the oldest sample in the range, in Unix seconds.",
        "ts_of_first_over_time(node_load1[1d])",
        experimental=True,
        differences="MetricsQL calls it tfirst_over_time.",
    ),
    Row(
        "ts_of_last_over_time", (MATRIX,), VECTOR,
        "Time of the newest sample in the range, in Unix seconds.",
        "ts_of_last_over_time(node_load1[1d])",
        experimental=True,
        differences="MetricsQL calls it tlast_over_time.",
    ),
)  # fmt: skip
