"""Functions and aggregations whose value at one step depends on other steps of the query.

They are never evaluated for only some steps: the result cache does not answer them, and their
operands are not treated as invariant over steps.
"""

from __future__ import annotations

RANGE_STATISTICS = frozenset(
    {
        "range_avg", "range_first", "range_last", "range_linear_regression", "range_mad",
        "range_max", "range_median", "range_min", "range_quantile", "range_stddev",
        "range_stdvar", "range_sum",
    }
)  # fmt: skip
"""Functions that have one value, or line, for all steps of a series."""

WHOLE_RANGE = RANGE_STATISTICS | frozenset(
    {
        "buckets_limit", "drop_common_labels", "interpolate", "keep_last_value", "keep_next_value",
        "prometheus_buckets", "range_normalize", "range_trim_outliers", "range_trim_spikes",
        "range_trim_zscore", "range_zscore", "remove_resets", "running_avg", "running_max",
        "running_min", "running_sum", "smooth_exponential",
    }
)  # fmt: skip
"""Functions that read other steps."""

RANGE_CHOOSERS = frozenset(
    {
        "any", "bottomk_avg", "bottomk_last", "bottomk_max", "bottomk_median", "bottomk_min",
        "outliers_iqr", "outliers_mad", "outliersk", "topk_avg", "topk_last", "topk_max",
        "topk_median", "topk_min",
    }
)  # fmt: skip
"""Aggregations that choose series by all of their steps."""

RANGE_AGGREGATIONS = RANGE_CHOOSERS | {"histogram", "quantiles"}
"""Aggregations that read other steps; of `quantiles` only labels depend on them."""
