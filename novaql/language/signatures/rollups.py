"""Functions of the change of a series over a range."""

from __future__ import annotations

from novaql.language.signatures.signature import MATRIX, SCALAR, VECTOR, by_name
from novaql.language.signatures.signature import Signature as Row

ROLLUPS = by_name(
    Row(
        "rate", (MATRIX,), VECTOR,
        "Increase per second of a counter over the range, corrected for resets and extrapolated "
        "to the ends of the range. Needs two samples, or one whose start timestamp lies in the "
        "range; absent otherwise.",
        "rate(http_requests_total[5m])",
        differences="MetricsQL counts from the last sample before the range, does not extrapolate, "
        "and does not count a fall by less than an eighth as a reset.",
    ),
    Row(
        "increase", (MATRIX,), VECTOR,
        "Increase of a counter over the range, corrected for resets and extrapolated to the ends "
        "of the range, so seldom a whole number. `rate` times the length of the range.",
        "increase(http_requests_total[1h])",
        differences="MetricsQL counts from the last sample before the range, does not extrapolate, "
        "takes a new series to begin at 0 unless its first value is large, and does not count a "
        "fall by less than an eighth as a reset. Its increase_prometheus and increase_pure are "
        "here too.",
    ),
    Row(
        "delta", (MATRIX,), VECTOR,
        "Difference between the last and the first value of a gauge, extrapolated to the ends of "
        "the range. Needs two samples.",
        "delta(cpu_temp_celsius[30m])",
        differences="MetricsQL counts from the sample before the range, and does not extrapolate.",
    ),
    Row(
        "irate", (MATRIX,), VECTOR,
        "Increase per second of a counter between the last two samples of the range, corrected "
        "for a reset between them.",
        "irate(http_requests_total[5m])",
        differences="MetricsQL also uses the last sample before the range.",
    ),
    Row(
        "idelta", (MATRIX,), VECTOR,
        "Difference between the last two samples of a gauge in the range.",
        "idelta(cpu_temp_celsius[5m])",
        differences="MetricsQL also uses the last sample before the range.",
    ),
    Row(
        "resets", (MATRIX,), VECTOR,
        "How often a counter fell within the range. 0 with a single sample.",
        "resets(http_requests_total[1d])",
        differences="MetricsQL also uses the last sample before the range.",
    ),
    Row(
        "changes", (MATRIX,), VECTOR,
        "How often the value changed within the range. From NaN to NaN is no change. 0 with a "
        "single sample.",
        "changes(process_start_time_seconds[1d])",
        differences="MetricsQL also uses the last sample before the range, and counts the first "
        "sample of a series.",
    ),
    Row(
        "deriv", (MATRIX,), VECTOR,
        "Slope per second of a gauge by least squares. Needs two floats; 0 for a constant series.",
        "deriv(node_filesystem_avail_bytes[1h])",
    ),
    Row(
        "predict_linear", (MATRIX, SCALAR), VECTOR,
        "Value a gauge will have so many seconds after the evaluation time, by least squares over "
        "the range. Needs two floats.",
        "predict_linear(node_filesystem_avail_bytes[1h], 4 * 3600)",
        differences="MetricsQL retains the metric name.",
    ),
    Row(
        "double_exponential_smoothing", (MATRIX, SCALAR, SCALAR), VECTOR,
        "Smoothed value of a gauge (Holt's linear method). The smoothing factor and the trend "
        "factor lie between 0 and 1, both exclusive. Needs two floats.",
        "double_exponential_smoothing(go_goroutines[1h], 0.5, 0.1)",
        experimental=True,
        differences="MetricsQL calls it holt_winters, and retains the metric name.",
    ),
    Row(
        "absent_over_time", (MATRIX,), VECTOR,
        "1 with the labels of the equality matchers where the range holds no sample of any "
        "series; absent where it holds one.",
        'absent_over_time(up{job="web"}[10m])',
    ),
)  # fmt: skip
