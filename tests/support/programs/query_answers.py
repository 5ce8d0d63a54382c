"""Answers to a query from different engines, brought to one form and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from novaql.model.float_histogram import FloatHistogram, populations
from novaql.promqltest.outcome import outcome_of
from novaql.result import Result, ResultKind

LabelSet = tuple[tuple[str, str], ...]
Number = float | FloatHistogram
Answer = dict[LabelSet, dict[int, Number]]
"""Label set → time in milliseconds → value. A scalar is the series without labels."""


def label_set(labels: Mapping[str, str]) -> LabelSet:
    return tuple(sorted(labels.items()))


def answer_of_result(result: Result) -> Answer:
    """The answer of a result of this engine."""
    found = outcome_of(result)
    assert not found.repeated, f"{found.repeated} come twice"
    return {tuple(sorted(labels)): points for labels, points in found.series.items()}


def answer_of_prometheus(data: Any) -> Answer:
    """The answer in `data` of the Prometheus API."""
    kind, result = data["resultType"], data["result"]
    if kind == ResultKind.SCALAR:
        return {(): dict([_point(result)])}
    out: Answer = {}
    for series in result:
        points = series["values"] if kind == ResultKind.MATRIX else [series["value"]]
        out[label_set(series["metric"])] = dict(map(_point, points))
    return out


def _point(pair: tuple[float, str]) -> tuple[int, float]:
    return round(pair[0] * 1000), float(pair[1])


def values_close(a: Number, b: Number, relative: float, absolute: float) -> bool:
    if isinstance(a, FloatHistogram) or isinstance(b, FloatHistogram):
        return (
            isinstance(a, FloatHistogram)
            and isinstance(b, FloatHistogram)
            and _layout(a) == _layout(b)
            and all(
                values_close(x, y, relative, absolute)
                for x, y in zip(_numbers(a, b), _numbers(b, a), strict=True)
            )
        )
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or math.isclose(a, b, rel_tol=relative, abs_tol=absolute)


def _layout(one: FloatHistogram) -> tuple[object, ...]:
    return one.schema, one.custom_values, one.zero_threshold, one.hint


def _numbers(one: FloatHistogram, other: FloatHistogram) -> list[float]:
    """The numbers of a histogram, with every bucket that either of the two has."""
    found = [one.count, one.sum, one.zero_count]
    for mine, theirs in ((one.positive, other.positive), (one.negative, other.negative)):
        counts = populations(mine)
        found += [counts.get(i, 0.0) for i in sorted(counts.keys() | populations(theirs).keys())]
    return found


def disagreement(
    expected: Answer, found: Answer, *, relative: float = 1e-9, absolute: float = 1e-9
) -> str | None:
    """A text about the first difference, or None."""
    for key in sorted(expected.keys() | found.keys()):
        if key not in found:
            return f"{key} is missing: {_some(expected[key])}"
        if key not in expected:
            return f"{key} is too much: {_some(found[key])}"
        for moment in sorted(expected[key].keys() | found[key].keys()):
            a, b = expected[key].get(moment), found[key].get(moment)
            if a is None or b is None or not values_close(a, b, relative, absolute):
                return f"{key} at {moment}: expected {a!r}, found {b!r}"
    return None


def without_nan(answer: Answer) -> Answer:
    """The values other than NaN (MetricsQL treats NaN as missing), and the series that have such
    values."""
    found = {
        labels: {
            time: value
            for time, value in points.items()
            if not (isinstance(value, float) and math.isnan(value))
        }
        for labels, points in answer.items()
    }
    return {labels: points for labels, points in found.items() if points}


def ranking_disagreement(expected: Answer, found: Answer, **tolerance: float) -> str | None:
    """Compare the answers to topk and bottomk. The order of ties is not defined, so only the values
    at each time are compared."""

    def ranked(answer: Answer) -> Answer:
        by_time: dict[int, list[float]] = {}
        for points in answer.values():
            for moment, value in points.items():
                assert isinstance(value, float)
                by_time.setdefault(moment, []).append(value)
        ranks: Answer = {}
        for moment, values in by_time.items():
            for i, value in enumerate(sorted(values, key=lambda v: (math.isnan(v), v))):
                ranks.setdefault((("rank", str(i)),), {})[moment] = value
        return ranks

    return disagreement(ranked(expected), ranked(found), **tolerance)


def _some(points: dict[int, Number]) -> str:
    return ", ".join(f"{value!r} at {moment}" for moment, value in list(points.items())[:3])
