"""Operators of extensions, in terms of core operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from novaql.errors import TypeProblem
from novaql.language.ast import (
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    Member,
    Number,
    Paren,
    Subquery,
    Text,
)
from novaql.language.fault import Fault
from novaql.language.precedence import COMPARISONS, EXTENSIONS, SET_OPERATORS
from novaql.language.value_types import ValueType
from novaql.span import Span

Note = Callable[[str, Span], None]


def unwrapped(expr: Expr) -> Expr:
    """The expression inside parentheses."""
    while isinstance(expr, Paren):
        expr = expr.inner
    return expr


def expanded_operation(
    node: Binary, left: ValueType, right: ValueType, note: Note
) -> tuple[Expr, ValueType]:
    """Return the core tree of an operator whose operands are expanded, and its type.

    left, right  types of the operands
    note         called with each extension that is found
    """
    if node.op in EXTENSIONS:
        return _filled_or_filtered(node, left, right), ValueType.VECTOR
    if left is right is ValueType.STRING and node.op == "+":
        one, other = unwrapped(node.left), unwrapped(node.right)
        assert isinstance(one, Text)
        assert isinstance(other, Text)
        note("joined texts", node.span)
        return Text(one.value + other.value, span=node.span), ValueType.STRING
    if node.op in ("==", "!=") and (values := constants_of(node.right)) is not None:
        if left is ValueType.SCALAR:
            node, left = replace(node, left=vector_of(node.left)), ValueType.VECTOR
        return _membership(node, values), left
    if ValueType.MATRIX in (left, right):
        return _of_subquery(node, left, right, note), ValueType.MATRIX
    if node.op in SET_OPERATORS:
        sides = as_vector(node.left, left, note), as_vector(node.right, right, note)
        if sides != (node.left, node.right):
            node = replace(node, left=sides[0], right=sides[1])
        return node, ValueType.VECTOR
    if left is right is ValueType.SCALAR:
        if node.op not in COMPARISONS or node.return_bool:
            return node, ValueType.SCALAR
        note("a comparison of scalars without bool", node.span)
        return replace(node, left=vector_of(node.left)), ValueType.VECTOR
    return node, ValueType.VECTOR


def constants_of(expr: Expr) -> tuple[float, ...] | None:
    """Return the numbers of `(1, 2)`; None if it is not a list of numbers."""
    match unwrapped(expr):
        case Call(function="union", arguments=arguments):
            values = []
            for argument in arguments:
                match argument:
                    case Call(function="vector", arguments=(Number(value=value),)):
                        values.append(value)
                    case _:
                        return None
            return tuple(values)
        case _:
            return None


def _membership(node: Binary, values: tuple[float, ...]) -> Expr:
    """`x == (1, 2)`: one of these. `x != (1, 2)`: none of these."""
    if node.return_bool or node.matching != Matching():
        raise Fault(
            f"{node.op} with a list of numbers takes no modifier",
            node.span,
            kind=TypeProblem,
        )
    if node.op == "==":
        among = tuple(value for value in values if not math.isnan(value))
        points = unwrapped(node.left)
        if isinstance(points, Subquery):
            inner = Member(points.inner, among, span=node.span)
            return replace(points, inner=inner, span=node.span)
        return Member(node.left, among, span=node.span)
    points = unwrapped(node.left)
    tree = points.inner if isinstance(points, Subquery) else node.left
    for value in values:
        tree = Binary("!=", tree, Number(value, span=node.right.span), span=node.span)
    return replace(points, inner=tree, span=node.span) if isinstance(points, Subquery) else tree


def _filled_or_filtered(node: Binary, left: ValueType, right: ValueType) -> Expr:
    """`default`, `if` and `ifnot`. A scalar is a vector without labels, which matches every
    series."""
    scalar = right is ValueType.SCALAR
    matching = replace(node.matching, cardinality=Cardinality.MANY_TO_MANY)
    if scalar and (matching.on or matching.labels):
        raise Fault(
            "on or ignoring is for two instant vectors, but the right side is a scalar",
            node.right.span,
            kind=TypeProblem,
            suggestion="remove the modifier",
        )
    if left is ValueType.SCALAR:
        node = replace(node, left=vector_of(node.left))
    if node.op == "default":
        return replace(node, matching=matching)
    if scalar:
        node, matching = replace(node, right=vector_of(node.right)), replace(matching, on=True)
    return replace(node, op="and" if node.op == "if" else "unless", matching=matching)


def vector_of(expr: Expr) -> Expr:
    return Call("vector", (expr,), span=expr.span)


def as_vector(expr: Expr, kind: ValueType, note: Note) -> Expr:
    """Return an expression for a place that expects a vector: a scalar becomes one."""
    if kind is not ValueType.SCALAR:
        return expr
    note("a scalar in the place of a vector", expr.span)
    return vector_of(expr)


def _of_subquery(node: Binary, left: ValueType, right: ValueType, note: Note) -> Expr:
    """An operator on the points of a subquery is a subquery of the operator."""
    side = unwrapped(node.left if left is ValueType.MATRIX else node.right)
    if not isinstance(side, Subquery) or left is right:
        return node
    note("an operation on the samples of a range", node.span)
    if left is ValueType.MATRIX:
        inner = replace(node, left=side.inner)
    else:
        inner = replace(node, right=side.inner)
    return replace(side, inner=inner, span=node.span)
