"""Aggregations of one instant vector."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from tests.support.reference import numbers
from tests.support.reference.values import (
    NAME,
    Element,
    LabelSet,
    RefusedError,
    Vector,
    only,
    with_label,
    without,
)

_OF_VALUES: dict[str, Callable[[list[float]], float]] = {
    "sum": numbers.total,
    "avg": numbers.mean,
    "count": lambda values: float(len(values)),
    "min": numbers.least,
    "max": numbers.greatest,
    "group": lambda _: 1.0,
    "stddev": lambda values: math.sqrt(numbers.variance(values)),
    "stdvar": numbers.variance,
}


def aggregate(
    op: str, vector: Vector, parameter: float | str | None, names: tuple[str, ...], *, drop: bool
) -> Vector:
    """`op by (names)`, or with `drop` `op without (names)`."""
    if op == "count_values":
        assert isinstance(parameter, str)
        # The value becomes a label first; then the elements are counted by that label, too.
        vector = [
            Element(with_label(e.labels, parameter, decimal_text(e.value)), 0.0) for e in vector
        ]
        names = names if drop else (*names, parameter)
        op = "count"
    groups: dict[LabelSet, Vector] = {}
    for element in vector:
        kept = without(element.labels, NAME, *names) if drop else only(element.labels, names)
        groups.setdefault(tuple(sorted(kept.items())), []).append(element)
    out: Vector = []
    for key, members in groups.items():
        labels, values = dict(key), [element.value for element in members]
        if op in _OF_VALUES:
            out.append(Element(labels, _OF_VALUES[op](values)))
        elif op == "quantile":
            assert isinstance(parameter, float)
            out.append(Element(labels, numbers.quantile(parameter, values)))
        else:
            assert isinstance(parameter, float)
            out += _ranked(op, members, parameter)
    return out


def _ranked(op: str, members: Vector, parameter: float) -> Vector:
    if math.isnan(parameter):
        raise RefusedError("Parameter value is NaN")
    sign = -1 if op == "topk" else 1
    best = sorted(
        members,
        key=lambda e: (math.isnan(e.value), 0.0 if math.isnan(e.value) else sign * e.value),
    )
    return best[: max(0, int(parameter))]


def decimal_text(value: float) -> str:
    """Shortest digits without exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return format(Decimal(repr(value).removesuffix(".0")), "f")
