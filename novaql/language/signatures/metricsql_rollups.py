"""MetricsQL's functions of the change of a series over a range."""

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


def _rollup(name: str, of: str, series: str, example: str, differences: str = "") -> Signature:
    """A function that returns several series for each, or the one that is named."""
    one = series.split(", ")[0]
    return Row(
        name, (MATRIX, STRING), VECTOR,
        f"{of}: series with {series} in the label rollup; with one of these as the second "
        "argument, that series alone, without the label.",
        example.format(f'{name}(', f', "{one}")'),
        optional=1,
        differences=differences,
    )  # fmt: skip


def _of_pairs(name: str, of: str, metric: str) -> Signature:
    return _rollup(
        name,
        f"Smallest, largest and mean {of} neighbouring samples in the range",
        "min, max, avg",
        "{}" + metric + "[1h]{}",
        "MetricsQL goes from each sample to the next, the one after the range among them.",
    )


METRICSQL_ROLLUPS = by_name(
    Row(
        "ascent_over_time", (MATRIX,), VECTOR,
        "Sum of all rises from one sample in the range to the next. 0 with a single sample.",
        "ascent_over_time(queue_length[1h])",
        differences="MetricsQL begins with the sample before the range.",
    ),
    Row(
        "descent_over_time", (MATRIX,), VECTOR,
        "Sum of all falls from one sample in the range to the next, as a positive number. 0 with "
        "a single sample.",
        "descent_over_time(queue_length[1h])",
        differences="MetricsQL begins with the sample before the range.",
    ),
    Row(
        "increases_over_time", (MATRIX,), VECTOR,
        "How often the value rose within the range. 0 with a single sample.",
        "increases_over_time(queue_length[1h])",
        differences="MetricsQL begins with the sample before the range.",
    ),
    Row(
        "decreases_over_time", (MATRIX,), VECTOR,
        "How often the value fell within the range. 0 with a single sample.",
        "decreases_over_time(queue_length[1h])",
        differences="MetricsQL begins with the sample before the range.",
    ),
    Row(
        "changes_prometheus", (MATRIX,), VECTOR,
        "How often the value changed within the range: `changes`.",
        "changes_prometheus(process_start_time_seconds[1d])",
    ),
    Row(
        "delta_prometheus", (MATRIX,), VECTOR,
        "Last value in the range less the first, not extrapolated. Needs two samples.",
        "delta_prometheus(cpu_temp_celsius[30m])",
    ),
    Row(
        "increase_prometheus", (MATRIX,), VECTOR,
        "Increase of a counter from the first to the last sample in the range, corrected for "
        "resets and not extrapolated. Needs two samples.",
        "increase_prometheus(http_requests_total[1h])",
    ),
    Row(
        "rate_prometheus", (MATRIX,), VECTOR,
        "`increase_prometheus` per second of the range's length.",
        "rate_prometheus(http_requests_total[5m])",
    ),
    Row(
        "increase_pure", (MATRIX,), VECTOR,
        "Increase of a counter since the last sample at or before the range's start within the "
        "lookback, corrected for resets and not extrapolated. A counter without such a sample "
        "began at 0. Over a subquery, the increase since the first point.",
        "increase_pure(http_requests_total[1h])",
    ),
    Row(
        "deriv_fast", (MATRIX,), VECTOR,
        "Change per second of a gauge from the first to the last sample in the range. Needs two "
        "samples.",
        "deriv_fast(node_filesystem_avail_bytes[1h])",
        differences="MetricsQL begins with the sample before the range.",
    ),
    Row(
        "ideriv", (MATRIX,), VECTOR,
        "Change per second of a gauge between the last two samples in the range.",
        "ideriv(cpu_temp_celsius[5m])",
    ),
    Row(
        "integrate", (MATRIX,), VECTOR,
        "Integral of a gauge over the range, in its unit times seconds: each value counts until "
        "the next sample, the newest until the range's end. At first, the last sample at or before "
        "the range's start counts, within the lookback; over a subquery, the first point.",
        "integrate(power_watts[1h])",
    ),
    Row(
        "holt_winters", (MATRIX, SCALAR, SCALAR), VECTOR,
        "Smoothed value of a gauge: `double_exponential_smoothing`, which drops the metric name.",
        "holt_winters(go_goroutines[1h], 0.5, 0.1)",
        differences="PromQL has it under the other name. MetricsQL retains the metric name.",
    ),
    Row(
        "default_rollup", (MATRIX,), VECTOR,
        "Newest value in the range; absent where a staleness marker follows it. An instant "
        "selector with the range as its lookback. Retains the metric name.",
        "default_rollup(up[10m])",
    ),
    _rollup(
        "rollup",
        "Smallest, largest and mean value of the range, metric name retained",
        "min, max, avg",
        "{}node_load1[1h]{}",
    ),
    _rollup(
        "rollup_candlestick",
        "First, last, smallest and largest value of the range, metric name retained",
        "open, close, low, high",
        "{}queue_length[1h]{}",
        "MetricsQL answers for the step that follows, and retains the label rollup.",
    ),
    _of_pairs("rollup_delta", "difference between", "queue_length"),
    _of_pairs("rollup_deriv", "change per second between", "queue_length"),
    _of_pairs("rollup_increase", "increase of a counter between", "http_requests_total"),
    _of_pairs("rollup_rate", "increase per second of a counter between", "http_requests_total"),
    _of_pairs("rollup_scrape_interval", "number of seconds between", "up"),
)  # fmt: skip
