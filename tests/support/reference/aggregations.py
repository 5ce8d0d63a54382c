"""Aggregations of one instant vector."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from novaql.model.float_histogram import FloatHistogram
from tests.support.reference import native, numbers
from tests.support.reference.values import (
    NAME,
    Element,
    LabelSet,
    Notes,
    RefusedError,
    UnsureError,
    Vector,
    floats,
    only,
    with_label,
    without,
)

_OF_FLOATS: dict[str, Callable[[list[float]], float]] = {
    "min": numbers.least,
    "max": numbers.greatest,
    "stddev": lambda values: math.sqrt(numbers.variance(values)),
    "stdvar": numbers.variance,
}
_OF_ANY: dict[str, Callable[[int], float]] = {"count": float, "group": lambda _: 1.0}


def aggregate(
    op: str,
    vector: Vector,
    parameter: float | str | None,
    names: tuple[str, ...],
    notes: Notes,
    *,
    drop: bool,
) -> Vector:
    """`op by (names)`, or with `drop` `op without (names)`."""
    if op == "count_values":
        assert isinstance(parameter, str)
        if not parameter:
            raise RefusedError("no label name")
        if len(floats(vector)) < len(vector):
            raise UnsureError("histograms as text")
        # The value becomes a label first; the elements are then counted by that label, too.
        vector = [
            Element(with_label(e.labels, parameter, decimal_text(e.number)), 0.0) for e in vector
        ]
        names = names if drop else (*names, parameter)
        op = "count"
    if op in ("topk", "bottomk"):
        assert isinstance(parameter, float)
        _check_count(parameter)
        if parameter < 1:
            return []  # Prometheus reads nothing at such a step, so it says nothing either
    groups: dict[LabelSet, Vector] = {}
    for element in vector:
        kept = without(element.labels, NAME, *names) if drop else only(element.labels, names)
        groups.setdefault(tuple(sorted(kept.items())), []).append(element)
    out: Vector = []
    for key, members in groups.items():
        labels = dict(key)
        nameless = any(element.nameless for element in members)
        if op in _OF_ANY:
            out.append(Element(labels, _OF_ANY[op](len(members)), nameless))
            continue
        if op in ("sum", "avg"):
            found = _summed(op, labels, members, notes)
            out += [replace(element, nameless=nameless) for element in found]
            continue
        numbered = floats(members)
        if len(numbered) < len(members):
            notes.info(f"ignored histogram in {op} aggregation")
        values = [element.number for element in numbered]
        if not numbered:
            continue
        if op in _OF_FLOATS:
            out.append(Element(labels, _OF_FLOATS[op](values), nameless))
        elif op == "quantile":
            assert isinstance(parameter, float)
            out.append(Element(labels, numbers.quantile(parameter, values), nameless))
        else:
            assert isinstance(parameter, float)
            out += _ranked(op, numbered, parameter)
    return out


def _summed(op: str, labels: dict[str, str], members: Vector, notes: Notes) -> Vector:
    histograms = [e.value for e in members if isinstance(e.value, FloatHistogram)]
    values = [element.number for element in floats(members)]
    if histograms and values:
        notes.warn("encountered a mix of histograms and floats for aggregation")
        return []
    if not histograms:
        return [Element(labels, (numbers.total if op == "sum" else numbers.mean)(values))]
    names = {element.name for element in members}
    if len({one.custom for one in histograms}) > 1 and len(names) > 1:
        notes.unsure = True  # it is not defined whose name the note has
    of = native.total if op == "sum" else native.mean
    found = of(histograms, min(names), notes)
    return [] if found is None else [Element(labels, found)]


def _check_count(parameter: float) -> None:
    """Check the count, whether or not there is data. (A range query checks the parameters of all
    steps together.)"""
    if math.isnan(parameter):
        raise RefusedError("Parameter value is NaN")
    if parameter >= 2.0**63 - 1024:
        raise RefusedError("the parameter overflows")


def _ranked(op: str, members: Vector, parameter: float) -> Vector:
    sign = -1 if op == "topk" else 1
    best = sorted(
        members,
        key=lambda e: (math.isnan(e.number), 0.0 if math.isnan(e.number) else sign * e.number),
    )
    return best[: int(parameter) if parameter >= 1 else 0]


def decimal_text(value: float) -> str:
    """Shortest digits without exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return format(Decimal(repr(value).removesuffix(".0")), "f")
