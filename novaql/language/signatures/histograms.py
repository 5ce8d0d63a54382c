"""Functions of histograms, classic (series with an `le` label) and native."""

from __future__ import annotations

from novaql.language.signatures.signature import SCALAR, STRING, VECTOR, Signature, by_name
from novaql.language.signatures.signature import Signature as Row


def _of_native(name: str, doc: str) -> Signature:
    return Row(
        name, (VECTOR,), VECTOR,
        f"{doc} Native histograms only; floats are dropped.",
        f"{name}(rate(http_request_duration_seconds[5m]))",
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
        "histogram_quantile", (SCALAR, VECTOR), VECTOR,
        "The φ-quantile, in the unit of the observations, of each native histogram or each group "
        "of classic buckets that differ only in le; interpolated within the bucket. NaN without "
        "observations, -Inf for φ < 0, +Inf for φ > 1.",
        "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
    ),
    Row(
        "histogram_quantiles", (VECTOR, STRING, SCALAR), VECTOR,
        "Several quantiles at once, up to ten: each becomes a series with φ as the label named "
        "by the second argument.",
        'histogram_quantiles(rate(http_request_duration_seconds[5m]), "q", 0.5, 0.9, 0.99)',
        variadic=True,
        most=12,
        experimental=True,
    ),
    Row(
        "histogram_fraction", (SCALAR, SCALAR, VECTOR), VECTOR,
        "Share of the observations between two bounds, 0 to 1, of native or classic histograms. "
        "NaN without observations. Those of an infinitely wide bucket lie at its infinite end.",
        "histogram_fraction(0, 0.2, rate(http_request_duration_seconds[5m]))",
    ),
)  # fmt: skip
