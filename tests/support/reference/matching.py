"""Operators between two instant vectors."""

from __future__ import annotations

from collections.abc import Callable

from novaql.language.ast import Binary, Cardinality, Matching
from tests.support.reference.numbers import ARITHMETIC, COMPARISON
from tests.support.reference.values import (
    NAME,
    Element,
    LabelSet,
    RefusedError,
    Vector,
    only,
    refuse_equal,
    with_label,
    without,
)


def signature(element: Element, matching: Matching) -> LabelSet:
    """The labels that have to be equal."""
    if matching.on:
        kept = only(element.labels, matching.labels)
    else:
        kept = without(element.labels, NAME, *matching.labels)
    return tuple(sorted(kept.items()))


def set_operation(op: str, matching: Matching, left: Vector, right: Vector) -> Vector:
    in_left = {signature(element, matching) for element in left}
    in_right = {signature(element, matching) for element in right}
    if op == "and":
        return [element for element in left if signature(element, matching) in in_right]
    if op == "unless":
        return [element for element in left if signature(element, matching) not in in_right]
    rest = [element for element in right if signature(element, matching) not in in_left]
    return refuse_equal([*left, *rest])


def vector_vector(node: Binary, left: Vector, right: Vector) -> Vector:
    """Arithmetic or comparison; errors as soon as a match is not unique."""
    if not left or not right:
        return []
    matching = node.matching
    one_to_one = matching.cardinality is Cardinality.ONE_TO_ONE
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    partners: dict[LabelSet, Element] = {}
    for element in one:
        if signature(element, matching) in partners:
            raise RefusedError("many-to-many matching not allowed")
        partners[signature(element, matching)] = element
    out: Vector = []
    seen: set[object] = set()
    for element in many:
        partner = partners.get(signature(element, matching))
        if partner is None:
            continue
        a, b = (partner, element) if swapped else (element, partner)
        labels = _labels(node, element, partner)
        identity: object = (
            signature(element, matching) if one_to_one else tuple(sorted(labels.items()))
        )
        if identity in seen:
            raise RefusedError("multiple matches for labels")
        seen.add(identity)
        value = apply(node, a.value, b.value, kept=a.value)
        if value is not None:
            named = node.op in COMPARISON and not node.return_bool
            out.append(Element(labels, value, element.nameless and named))
    return refuse_equal(out)


def _labels(node: Binary, many: Element, one: Element) -> dict[str, str]:
    labels, matching = many.labels, node.matching
    if node.op in ARITHMETIC or node.return_bool:
        labels = without(labels, NAME)
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        if matching.on:
            return only(labels, matching.labels)
        return without(labels, *matching.labels)
    for name in matching.include:
        labels = with_label(labels, name, one.labels.get(name, ""))
    return labels


def vector_scalar(node: Binary, vector: Vector, scalar: float, *, scalar_left: bool) -> Vector:
    out: Vector = []
    for element in vector:
        a, b = (scalar, element.value) if scalar_left else (element.value, scalar)
        value = apply(node, a, b, kept=element.value)
        if value is not None:
            nameless = element.nameless or node.op in ARITHMETIC or node.return_bool
            out.append(Element(element.labels, value, nameless))
    return out


def apply(node: Binary, a: float, b: float, *, kept: float) -> float | None:
    """The operator's value; None where a filter removes it."""
    arithmetic: Callable[[float, float], float] | None = ARITHMETIC.get(node.op)
    if arithmetic is not None:
        return arithmetic(a, b)
    holds = COMPARISON[node.op](a, b)
    if node.return_bool:
        return float(holds)
    return kept if holds else None
