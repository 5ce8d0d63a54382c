"""Functions of histograms, classic (series with an `le` label) and native."""

from __future__ import annotations

from novaql.language.signatures.signature import (
    SCALAR,
    STRING,
    VECTOR,
    Origin,
    Signature,
    by_name,
)
from novaql.language.signatures.signature import Signature as Row


def _of_native(name: str, doc: str) -> Signature:
    return Row(
        name, (VECTOR,), VECTOR,
        f"{doc} Native histograms only; floats are dropped.",
        f"{name}(rate(rpc_duration_seconds[5m]))",
        differences="MetricsQL has no native histograms.",
    )  # fmt: skip


_NATIVE = by_name(
    _of_native("histogram_count", "Number of observations in each histogram."),
    _of_native("histogram_sum", "Sum of the observations in each histogram."),
    _of_native("histogram_avg", "Mean of the observations in each histogram."),
    _of_native("histogram_stddev", "Standard deviation, estimated from the middles of buckets."),
    _of_native("histogram_stdvar", "Variance, estimated from the middles of buckets."),
)

HISTOGRAMS = _NATIVE | by_name(
    Row(
        "histogram_quantile", (SCALAR, VECTOR, STRING), VECTOR,
        "The φ-quantile, in the unit of the observations, of each native histogram or each group "
        "of classic buckets that differ only in le; interpolated within the bucket. NaN without "
        "observations, -Inf for φ < 0, +Inf for φ > 1. With the name of a label as third argument "
        "the bounds of the classic bucket with the quantile are two further series, "
        "of which the label is lower and upper.",
        "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        optional=1,
        promql_most=2,
        differences="The third argument is MetricsQL's. MetricsQL has no native histograms.",
    ),
    Row(
        "histogram_quantiles", (VECTOR, STRING, SCALAR), VECTOR,
        "Several quantiles at once, up to ten: each becomes a series with φ as the label named "
        "by the second argument.",
        'histogram_quantiles(rate(rpc_duration_seconds[5m]), "q", 0.5, 0.9, 0.99)',
        variadic=True,
        most=12,
        experimental=True,
        differences="MetricsQL has the label and the quantiles before the vector; this order is "
        "accepted too.",
    ),
    Row(
        "histogram_fraction", (SCALAR, SCALAR, VECTOR), VECTOR,
        "Share of the observations between two bounds, 0 to 1, of native or classic histograms. "
        "NaN without observations. Those of an infinitely wide bucket lie at its infinite end.",
        "histogram_fraction(0, 2, rate(rpc_duration_seconds[5m]))",
        differences="MetricsQL has no native histograms.",
    ),
    Row(
        "histogram_share", (SCALAR, VECTOR, STRING), VECTOR,
        "histogram_share(le, v): the share of the observations up to le, 0 to 1, of classic "
        "histograms, those with vmrange, and native ones; interpolated within the bucket. Absent "
        "without observations (of native ones NaN). With the name of a label as third argument "
        "the least and the greatest share that the classic buckets allow are two further series, "
        "of which the label is lower and upper.",
        "histogram_share(0.2, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        optional=1,
        origin=Origin.METRICSQL,
    ),
    Row(
        "prometheus_buckets", (VECTOR,), VECTOR,
        "Buckets of VictoriaMetrics, with a label vmrange, as classic buckets with le, of which "
        "those that count nothing in the whole range of the query are left out. Series with le "
        "stay, others are dropped. A bucket is absent only at the steps at which all of its "
        "histogram are.",
        "prometheus_buckets(size_bytes_bucket)",
        origin=Origin.METRICSQL,
        differences="MetricsQL has 0 where all buckets are absent.",
    ),
    Row(
        "buckets_limit", (SCALAR, VECTOR), VECTOR,
        "buckets_limit(n, v): at most n buckets of each classic histogram; the inner ones that "
        "count least over the whole range of the query are merged. The first and the last stay, "
        "and never fewer than three. Nothing for n < 1; n is that of the first step.",
        "buckets_limit(3, http_request_duration_seconds_bucket)",
        origin=Origin.METRICSQL,
    ),
)  # fmt: skip
