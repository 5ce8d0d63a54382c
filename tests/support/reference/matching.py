"""Operators between two instant vectors."""

from __future__ import annotations

from novaql.language.ast import Binary, Cardinality, Matching
from novaql.model.float_histogram import FloatHistogram
from tests.support.reference import native
from tests.support.reference.numbers import ARITHMETIC, COMPARISON
from tests.support.reference.values import (
    NAME,
    Element,
    LabelSet,
    Notes,
    Number,
    RefusedError,
    Vector,
    only,
    refuse_equal,
    with_label,
    without,
)


def signature(element: Element, matching: Matching, *, right: bool = False) -> LabelSet:
    """The labels that have to be equal, by their names on the left side."""
    if matching.on:
        other = dict(matching.renamed) if right else {}
        found = {name: element.labels.get(other.get(name, name), "") for name in matching.labels}
        kept = {name: value for name, value in found.items() if value}
    else:
        kept = without(element.labels, NAME, *matching.labels)
    return tuple(sorted(kept.items()))


def set_operation(op: str, matching: Matching, left: Vector, right: Vector) -> Vector:
    in_left = {signature(element, matching) for element in left}
    in_right = {signature(element, matching, right=True) for element in right}
    if op == "and":
        return [element for element in left if signature(element, matching) in in_right]
    if op == "unless":
        return [element for element in left if signature(element, matching) not in in_right]
    rest = [e for e in right if signature(e, matching, right=True) not in in_left]
    return refuse_equal([*left, *rest])


def vector_vector(node: Binary, left: Vector, right: Vector, notes: Notes) -> Vector:
    """Arithmetic or comparison. Raises `RefusedError` for the first match that is not unique."""
    matching = node.matching
    fills = matching.fill_left is not None or matching.fill_right is not None
    if not (left or right) or (not (left and right) and not fills):
        return []
    left, right = _filled(left, right, matching)
    one_to_one = matching.cardinality is Cardinality.ONE_TO_ONE
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    partners: dict[LabelSet, Element] = {}
    for element in one:
        key = signature(element, matching, right=not swapped)
        if key in partners:
            raise RefusedError("many-to-many matching not allowed")
        partners[key] = element
    out: Vector = []
    seen: set[object] = set()
    for element in many:
        key = signature(element, matching, right=swapped)
        partner = partners.get(key)
        if partner is None:
            continue
        a, b = (partner, element) if swapped else (element, partner)
        labels = _labels(node, element, partner)
        identity: object = key if one_to_one else tuple(sorted(labels.items()))
        if identity in seen:
            raise RefusedError("multiple matches for labels")
        seen.add(identity)
        value = apply(node, a.value, b.value, notes, kept=a.value)
        if value is not None:
            named = node.op not in ARITHMETIC and not node.return_bool
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


def _filled(left: Vector, right: Vector, matching: Matching) -> tuple[Vector, Vector]:
    """A side with `fill` has a partner for every match group of the other one.

    The partner has the labels of the match only. The fills belong to the sides "many" and "one":
    Prometheus swaps the sides under group_right, but not the fills.
    """
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    in_many = {signature(element, matching) for element in many}
    in_one = {signature(element, matching) for element in one}
    if matching.fill_left is not None:
        many = [*many, *(Element(dict(k), matching.fill_left) for k in sorted(in_one - in_many))]
    if matching.fill_right is not None:
        one = [*one, *(Element(dict(k), matching.fill_right) for k in sorted(in_many - in_one))]
    return (one, many) if swapped else (many, one)


def vector_scalar(
    node: Binary, vector: Vector, scalar: float, notes: Notes, *, scalar_left: bool
) -> Vector:
    out: Vector = []
    for element in vector:
        a: Number = scalar if scalar_left else element.value
        b: Number = element.value if scalar_left else scalar
        value = apply(node, a, b, notes, kept=element.value)
        if value is not None:
            nameless = element.nameless or node.op in ARITHMETIC or node.return_bool
            out.append(Element(element.labels, value, nameless))
    return out


def apply(node: Binary, a: Number, b: Number, notes: Notes, *, kept: Number) -> Number | None:
    """The operator's value; None if a filter removes it, or if the operator does not exist."""
    holds: Number | bool | None
    if isinstance(a, FloatHistogram) or isinstance(b, FloatHistogram):
        holds = native.operation(node.op, a, b, notes)
    elif node.op in ARITHMETIC:
        return ARITHMETIC[node.op](a, b)
    elif node.op in COMPARISON:
        holds = COMPARISON[node.op](a, b)
    else:
        holds = native.operation(node.op, a, b, notes)
    if not isinstance(holds, bool):
        return holds
    if node.return_bool:
        return float(holds)
    return kept if holds else None
