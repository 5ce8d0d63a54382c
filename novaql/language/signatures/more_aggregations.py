"""Aggregators of MetricsQL."""

from __future__ import annotations

from novaql.language.signatures.signature import SCALAR, STRING, Aggregator, Origin
from novaql.language.value_types import ValueType

_IGNORED = " Histograms are ignored."


def _row(
    name: str,
    doc: str,
    example: str,
    parameter: ValueType | None = None,
    parameter_name: str = "",
    *,
    returns_input_series: bool = False,
    differences: str = "",
) -> Aggregator:
    return Aggregator(
        name, doc, example, parameter, parameter_name, returns_input_series,
        origin=Origin.METRICSQL, differences=differences,
    )  # fmt: skip


_OF_GROUPS = (
    _row(
        "distinct",
        "Number of different values of each group; NaN is one value." + _IGNORED,
        "distinct by (job) (build_number)",
    ),
    _row(
        "geomean",
        "Geometric mean of each group: the n-th root of the product. Absent where the product of "
        "several values is negative, NaN if any value is." + _IGNORED,
        "geomean by (job) (go_goroutines)",
    ),
    _row(
        "histogram",
        "How many values of each group lie in which range, as classic buckets with le: 18 ranges "
        "for each power of ten from 1e-9 to 1e18. Negative values and NaN are not counted. The "
        "buckets are those that count anything in the whole range of the query; a group without "
        "values at a step is absent there." + _IGNORED,
        "histogram by (job) (go_goroutines)",
        differences="MetricsQL has 0 for a group without values.",
    ),
    _row(
        "mad",
        "Median absolute deviation from the median of each group. NaN if any value is NaN."
        + _IGNORED,
        "mad by (job) (go_goroutines)",
    ),
    _row(
        "median",
        "Median of each group: the 0.5-quantile. NaN counts as smallest." + _IGNORED,
        "median by (job) (go_goroutines)",
    ),
    _row(
        "mode",
        "Most frequent value of each group, of several the smallest." + _IGNORED,
        "mode by (job) (build_number)",
    ),
    _row(
        "sum2",
        "Sum of the squares of the values of each group, which are rounded before an exact sum. "
        "NaN if any is NaN." + _IGNORED,
        "sum2 by (job) (go_goroutines)",
    ),
    Aggregator(
        "quantiles",
        "Several quantiles of each group at once: each becomes a series with φ, as it is at the "
        "first step, in the label named first. Linear between neighbouring ranks; NaN counts as "
        "smallest; -Inf for φ < 0, +Inf for φ > 1." + _IGNORED,
        'quantiles("q", 0.5, 0.9, go_goroutines)',
        STRING,
        '"label"',
        origin=Origin.METRICSQL,
        more=SCALAR,
        more_name="φ, …",
        more_first=True,
    ),
)

_OF_SERIES = (
    _row(
        "share",
        "Each value divided by the sum of its group, labels unchanged. Negative values count for "
        "nothing and are absent, as are all values of a group whose sum is 0." + _IGNORED,
        "share by (job) (rate(http_requests_total[5m]))",
        returns_input_series=True,
    ),
    _row(
        "zscore",
        "How many standard deviations each value is above the mean of its group, labels "
        "unchanged. Absent where all values of the group are equal." + _IGNORED,
        "zscore by (job) (go_goroutines)",
        returns_input_series=True,
    ),
    _row(
        "any",
        "One series of each group, labels unchanged: the first in the order of labels that has a "
        "value in the range of the query.",
        "any by (job) (up)",
        returns_input_series=True,
        differences="MetricsQL returns whichever it reads first.",
    ),
    _row(
        "outliers_iqr",
        "The series that are at any step outside of their group's quartiles by more than one and a "
        "half times the distance of these; whole series, labels unchanged." + _IGNORED,
        "outliers_iqr(go_goroutines)",
        returns_input_series=True,
    ),
    _row(
        "outliers_mad",
        "The series that are at any step farther from the median of their group than the given "
        "tolerance times its median absolute deviation; whole series, labels unchanged." + _IGNORED,
        "outliers_mad(3, go_goroutines)",
        SCALAR,
        "tolerance",
        returns_input_series=True,
    ),
    _row(
        "outliersk",
        "The k series of each group with the largest sum, over all steps of the query, of squared "
        "distances from the median of the group; labels unchanged. Steps at which a series is "
        "absent add nothing." + _IGNORED,
        "outliersk(1, go_goroutines)",
        SCALAR,
        "k",
        returns_input_series=True,
    ),
)

_SCORES = {
    "avg": "mean",
    "last": "last value",
    "max": "maximum",
    "median": "median",
    "min": "minimum",
}


def _ranked(kind: str, score: str) -> Aggregator:
    best = "largest" if kind == "topk" else "smallest"
    return Aggregator(
        f"{kind}_{score}",
        f"The k series of each group with the {best} {_SCORES[score]} over all steps of the query, "
        "labels unchanged; k may differ from step to step. NaN comes last; equal ones come in the "
        'order of labels. With a third argument "label=value" what is left of each group is summed '
        "into a series with that label; it is absent where nothing is left. A text "
        "without = is both." + _IGNORED,
        f'{kind}_{score}(1, rate(http_requests_total[5m]), "instance=other")',
        SCALAR,
        "k",
        returns_input_series=True,
        origin=Origin.METRICSQL,
        more=STRING,
        more_name='"label=value"',
        differences="MetricsQL has 0 where nothing is left.",
    )


_RANKED = tuple(_ranked(kind, score) for kind in ("topk", "bottomk") for score in _SCORES)

MORE_AGGREGATIONS: dict[str, Aggregator] = {
    row.name: row for row in (*_OF_GROUPS, *_OF_SERIES, *_RANKED)
}
