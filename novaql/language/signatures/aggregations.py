"""Aggregators: many series in, one per group out (or some of them, as they are)."""

from __future__ import annotations

from novaql.language.signatures.signature import SCALAR, STRING, Aggregator

_ROWS = (
    Aggregator(
        "sum",
        "Exact sum of the values of each group, rounded once, in whatever order. NaN if any is "
        "NaN. A group that mixes floats and histograms is dropped with a warning. Infinite only "
        "where the exact sum is too large.",
        "sum by (job) (rate(http_requests_total[5m]))",
    ),
    Aggregator(
        "avg",
        "Arithmetic mean of each group; does not overflow where the mean itself does not. "
        "NaN if any value is NaN.",
        "avg by (job) (go_goroutines)",
    ),
    Aggregator(
        "min",
        "Smallest value of each group. NaN only if all are NaN. Histograms are ignored.",
        "min by (instance) (node_filesystem_avail_bytes)",
    ),
    Aggregator(
        "max",
        "Largest value of each group. NaN only if all are NaN. Histograms are ignored.",
        "max by (instance) (process_resident_memory_bytes)",
    ),
    Aggregator(
        "count",
        "Number of series in each group, histograms included. A group with none is absent, not 0.",
        "count by (version) (build_info)",
    ),
    Aggregator(
        "group",
        "1 for each group that has any series.",
        "group by (job) (up)",
    ),
    Aggregator(
        "stddev",
        "Population standard deviation of each group, in the unit of the values. NaN if the "
        "group holds NaN or Inf.",
        "stddev by (job) (go_goroutines)",
    ),
    Aggregator(
        "stdvar",
        "Population variance of each group, in the squared unit of the values. NaN if the group "
        "holds NaN or Inf.",
        "stdvar by (job) (go_goroutines)",
    ),
    Aggregator(
        "quantile",
        "The φ-quantile of each group, linear between neighbouring ranks; NaN counts as smallest. "
        "-Inf for φ < 0, +Inf for φ > 1, both with a warning.",
        "quantile by (job) (0.9, go_goroutines)",
        parameter=SCALAR,
        parameter_name="φ",
    ),
    Aggregator(
        "topk",
        "The k series with the largest values of each group, labels unchanged. Chosen at every "
        "step separately. NaN comes last. Nothing for k < 1; a k of NaN, or beyond 64 bits, fails "
        "the query, data or no data.",
        "topk(2, rate(http_requests_total[5m]))",
        parameter=SCALAR,
        parameter_name="k",
        returns_input_series=True,
    ),
    Aggregator(
        "bottomk",
        "The k series with the smallest values of each group, labels unchanged. Chosen at every "
        "step separately. NaN comes last. Nothing for k < 1; a k of NaN, or beyond 64 bits, fails "
        "the query, data or no data.",
        "bottomk(1, node_filesystem_avail_bytes)",
        parameter=SCALAR,
        parameter_name="k",
        returns_input_series=True,
    ),
    Aggregator(
        "count_values",
        "How many series of each group have each value. The value becomes the label named first, "
        "as the shortest decimal.",
        'count_values by (job) ("version", build_number)',
        parameter=STRING,
        parameter_name='"label"',
    ),
    Aggregator(
        "limitk",
        "Any k series of each group, always the same ones, labels unchanged.",
        "limitk(2, up)",
        parameter=SCALAR,
        parameter_name="k",
        returns_input_series=True,
        experimental=True,
        differences="MetricsQL chooses other series.",
    ),
    Aggregator(
        "limit_ratio",
        "A pseudo-random share r of the series, always the same ones. A negative r gives the "
        "share that 1 + r leaves out. Beyond -1 and 1 it is capped, with a warning.",
        "limit_ratio(0.5, up)",
        parameter=SCALAR,
        parameter_name="r",
        returns_input_series=True,
        experimental=True,
        differences="MetricsQL does not have it.",
    ),
)

AGGREGATIONS: dict[str, Aggregator] = {row.name: row for row in _ROWS}
