"""Rules about the two sides of an operator: equal sides, and values that are confused with
presence."""

from __future__ import annotations

from collections.abc import Iterator

from novaql.language import walk
from novaql.language.ast import Aggregate, Binary, Call, Cardinality, Expr, Number, Paren, Unary
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import bare, selectors

COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
OF_EQUALS = {
    "/": "is 1",
    "-": "is 0",
    "%": "is 0",
    ">": "never holds",
    "<": "never holds",
    ">=": "always holds",
    "<=": "always holds",
    "and": "is the left side",
    "or": "is the left side",
    "default": "is the left side",
    "unless": "is empty",
}
"""Operator → its result for equal sides. `x == x` and `x != x` test for NaN: no finding."""


def same_operands(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Both sides are equal: one was probably copied and not changed."""
    del known
    for node in walk(root):
        if not isinstance(node, Binary) or node.op not in OF_EQUALS or node.matching.renamed:
            continue
        if node.matching.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY):
            continue
        if bare(node.left) == bare(node.right) and any(selectors(node.right)):
            yield Remark(
                Severity.WARNING,
                f"both sides are the same, so that this {OF_EQUALS[node.op]}",
                node.span,
                "change one of them",
            )


def vector_beside_groups(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """`or vector(0)` adds an element without labels: groups have labels, and do not match it."""
    del known
    added_up = {
        id(bare(node.operand))
        for node in walk(root)
        if isinstance(node, Aggregate) and node.op in ("sum", "max") and not node.grouping
    }  # sum(… or vector(0)): one more 0 does not matter
    for node in walk(root):
        if (
            isinstance(node, Binary)
            and node.op == "or"
            and not node.matching.on
            and id(node) not in added_up
            and _is_constant(node.right)
            and _is_grouped(node.left)
        ):
            yield Remark(
                Severity.WARNING,
                "the constant has no labels: it is added beside the groups, and fills no gap",
                node.span,
                "write default 0 to fill gaps, or on () vector(0) if no group may be left",
            )


def _is_constant(expr: Expr) -> bool:
    return all(
        isinstance(node, Number | Paren | Unary | Binary)
        or (isinstance(node, Call) and node.function == "vector")
        for node in walk(expr)
    )


def _is_grouped(expr: Expr) -> bool:
    """Whether elements are groups of an aggregation, perhaps computed with others."""
    expr = bare(expr)
    while isinstance(expr, Binary) and expr.op not in ("or", "default"):
        right = bare(expr.right)
        if expr.op not in ("and", "unless") and _is_group(right):
            return True
        expr = bare(expr.left)
    return _is_group(expr)


def _is_group(expr: Expr) -> bool:
    return isinstance(expr, Aggregate) and (bool(expr.grouping) or expr.without)


def set_of_bool(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """`and`, `or` and `unless` test presence; with `bool`, an element that does not satisfy the
    comparison is present, with the value 0."""
    del known
    for node in walk(root):
        if not isinstance(node, Binary) or node.op not in ("and", "or", "unless"):
            continue
        if _is_bool(node.right) and (node.op != "or" or _is_bool(node.left)):
            yield Remark(
                Severity.WARNING,
                f"{node.op} tests presence, and bool returns 0 for what does not hold",
                node.span,
                "leave bool out",
            )


def _is_bool(expr: Expr) -> bool:
    inner = bare(expr)
    return isinstance(inner, Binary) and inner.op in COMPARISONS and inner.return_bool
