"""The names of the arguments of functions, and their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from novaql.fast_dataclass import dataclass
from novaql.language.signatures.signature import (
    MATRIX,
    STRING,
    VECTOR,
    Aggregator,
    Signature,
)
from novaql.language.value_types import ValueType


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument. repeated: it may occur several times, with others that are repeated."""

    name: str
    type: ValueType
    meaning: str
    optional: bool = False
    repeated: bool = False


_VECTORS = {
    VECTOR: ("v", "the series, at each step"),
    MATRIX: ("range", "the samples of each series in a window"),
}
_ZONE = "zone: IANA time zone such as Europe/Berlin; UTC if absent"
_QUANTILE = "φ: the quantile, 0 to 1"
_LABEL = "label: name of a label"
_FROM, _TO = "from: name of the label to read", "to: name of the label to set"
_PATTERN = "regex: a pattern for the whole value of the label"
_LIMIT = "x: the number to compare with"
_PICK = "which: one of the series, min, max or avg; all three if absent"

_OTHERS: Mapping[str, tuple[str, ...]] = {
    "predict_linear": ("seconds: how far after the evaluation time",),
    "double_exponential_smoothing": (
        "smoothing: weight of new values, 0 to 1",
        "trend: weight of new trends, 0 to 1",
    ),
    "quantile_over_time": (_QUANTILE,),
    "round": ("to: the multiple to round to; 1 if absent",),
    "clamp": ("min: the lowest value", "max: the highest value"),
    "clamp_min": ("min: the lowest value",),
    "clamp_max": ("max: the highest value",),
    "vector": ("s: the value",),
    "limit_offset": ("limit: how many series at most", "offset: how many series to skip"),
    "min_of": ("a: a number", "b: another one"),
    "max_of": ("a: a number", "b: another one"),
    "label_replace": (
        _TO, "replacement: the new value; $1 is the first group of the pattern", _FROM, _PATTERN,
    ),
    "label_join": (_TO, "separator: the text between values", _FROM),
    "label_set": (_LABEL, "value: its new value"),
    "label_copy": (_FROM, _TO),
    "label_move": (_FROM, _TO),
    "label_map": (_LABEL, "from: a value", "to: what replaces it"),
    "label_transform": (_LABEL, "regex: a pattern", "replacement: what replaces every match"),
    "label_graphite_group": ("n: number of a part of the metric name, from 0",),
    "alias": ("name: the new metric name",),
    "label_match": (_LABEL, _PATTERN),
    "label_mismatch": (_LABEL, _PATTERN),
    "labels_equal": (_LABEL, "other: name of another label"),
    "timezone_offset": ("zone: IANA time zone such as Europe/Berlin",),
    "start_of": ("unit: minute, hour, day, week, month, quarter or year", _ZONE),
    "histogram_quantile": (_QUANTILE, "bounds: label of the series with lower and upper bound"),
    "histogram_quantiles": ("label: name of the label for φ", _QUANTILE),
    "histogram_fraction": ("lower: the lower bound", "upper: the upper bound"),
    "histogram_share": (
        "le: the upper bound", "bounds: label of the series with lower and upper bound",
    ),
    "buckets_limit": ("limit: how many buckets at most",),
    "range_quantile": (_QUANTILE,),
    "range_trim_outliers": ("k: how many median absolute deviations are allowed",),
    "range_trim_spikes": ("φ: which share of the highest and lowest values is removed",),
    "range_trim_zscore": ("z: how many standard deviations are allowed",),
    "smooth_exponential": ("factor: weight of new values, 0 to 1",),
    "holt_winters": (
        "smoothing: weight of new values, 0 to 1",
        "trend: weight of new trends, 0 to 1",
    ),
    "rollup_candlestick": ("which: open, close, low or high; all four if absent",),
    "hoeffding_bound_lower": ("φ: the confidence, 0 to 1",),
    "hoeffding_bound_upper": ("φ: the confidence, 0 to 1",),
    "quantiles_over_time": ("label: name of the label for φ", _QUANTILE),
    "aggr_over_time": ("function: name of a function over a range",),
    "count_values_over_time": ("label: name of the label for the value",),
    "duration_over_time": ("max_gap: longest time between samples that counts, in seconds",),
    "seasonal_baseline": ("period: in seconds, such as 1d",),
    "burn_rate": ("objective: the share of good events to reach, such as 0.999",),
    "error_budget_remaining": ("objective: the share of good events to reach, such as 0.999",),
}  # fmt: skip
_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("bitmap_", ("mask: a whole number",)),
    ("rand", ("seed: the same seed returns the same numbers",)),
    ("sort_by_label", (_LABEL,)),
    ("label_", (_LABEL,)),
    ("rollup", (_PICK,)),
    ("count_", (_LIMIT,)),
    ("share_", (_LIMIT,)),
    ("sum_", (_LIMIT,)),
)
_OF_AGGREGATORS = MappingProxyType(
    {
        "φ": "the quantile, 0 to 1",
        "k": "how many series of each group",
        "r": "share of series, 0 to 1; negative: the others",
        '"label"': "name of the label for the value",
        "tolerance": "how many median absolute deviations are allowed",
        "φ, …": "the quantiles, 0 to 1",
        '"label=value"': "the label of the series that has the sum of the others",
    }
)


def parameters_of(row: Signature | Aggregator) -> tuple[Parameter, ...]:
    """Return the parameters of a function or aggregator, in order."""
    if isinstance(row, Aggregator):
        return _of_aggregator(row)
    others = iter(_others(row))
    found = []
    last = len(row.arguments) - 1
    for place, kind in enumerate(row.arguments):
        if kind in _VECTORS:
            name, meaning = _VECTORS[kind]
        else:
            name, _, meaning = next(others).partition(": ")
        optional = place >= row.fewest_arguments
        repeated = place == row.repeated or (row.variadic and place == last)
        found.append(Parameter(name, kind, meaning, optional, repeated))
    return tuple(found)


def _others(row: Signature) -> tuple[str, ...]:
    """Texts of the arguments other than vectors."""
    known = _OTHERS.get(row.name)
    if known is None and STRING in row.arguments and row.promql_most is not None:
        return (_ZONE,)
    if known is None:
        known = next((texts for start, texts in _FAMILIES if row.name.startswith(start)), ())
    return known


def _of_aggregator(row: Aggregator) -> tuple[Parameter, ...]:
    first = more = None
    if row.parameter is not None:
        name = row.parameter_name
        first = Parameter(name.strip('"'), row.parameter, _OF_AGGREGATORS[name])
    if row.more is not None:
        name = row.more_name
        plain = name.removesuffix(", …").strip('"')
        more = Parameter(
            plain, row.more, _OF_AGGREGATORS[name], not row.more_first, name.endswith("…")
        )
    operand = Parameter("v", VECTOR, "the series to aggregate")
    return row.in_order(first, operand, () if more is None else (more,))
