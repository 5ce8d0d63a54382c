"""Limits the depth of a tree, so that all code that reads a tree may recurse.

The left side of an operator does not count as a level: chains such as `a + b + c` grow to the left
and may be of any length. Readers process them in a loop (`ast.left_spine`). That of `default`
counts, since it is a separate node in plans.
"""

from __future__ import annotations

from novaql.language.ast import (
    Binary,
    Duration,
    DurationBinary,
    DurationParen,
    DurationUnary,
    Expr,
    MatrixSelector,
    Shifted,
    Subquery,
    VectorSelector,
)
from novaql.language.fault import Fault
from novaql.language.visit import children

MAX_DEPTH = 200


def check_depth(expr: Expr) -> None:
    """Raises `Fault` at a node more than `MAX_DEPTH` levels down."""
    waiting: list[tuple[Expr | Duration, int]] = [(expr, 1)]
    while waiting:
        node, level = waiting.pop()
        if level > MAX_DEPTH:
            raise Fault(
                f"the query is nested more than {MAX_DEPTH} levels deep",
                node.span,
                suggestion="split it into several queries or recording rules",
            )
        if isinstance(node, Binary):
            chained = isinstance(node.left, Binary) and node.left.op != "default"
            waiting += [(node.left, level if chained else level + 1), (node.right, level + 1)]
        else:
            waiting.extend((below, level + 1) for below in _below(node))


def _below(node: Expr | Duration) -> list[Expr | Duration]:
    match node:
        case DurationBinary(left=left, right=right):
            return [left, right]
        case DurationUnary(operand=operand):
            return [operand]
        case DurationParen(inner=inner):
            return [inner]
        case VectorSelector(offset=offset):
            return [] if offset is None else [offset]
        case MatrixSelector(selector=selector, range=length):
            return [selector, length]
        case Subquery(inner=inner, range=length, step=step, offset=offset):
            return [inner, *(d for d in (length, step, offset) if d is not None)]
        case Shifted(inner=inner, offset=offset):
            return [inner] if offset is None else [inner, offset]
        case _:
            # The remaining nodes are expressions without durations and durations without parts.
            return list(children(node)) if isinstance(node, Expr) else []
