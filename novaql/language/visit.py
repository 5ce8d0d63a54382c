"""Walking and rebuilding trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import assert_never

from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from novaql.language.signatures import AGGREGATORS


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions directly below, in the order of the text."""
    match expr:
        case Number() | Text() | VectorSelector():
            return ()
        case MatrixSelector(selector=selector):
            return (selector,)
        case Paren(inner=inner) | Subquery(inner=inner):
            return (inner,)
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Aggregate(op=op, operand=operand, parameter=parameter, more=more):
            return AGGREGATORS[op].in_order(parameter, operand, more)
        case Call(arguments=arguments):
            return arguments
        case _:
            assert_never(expr)


def left_spine(expr: Binary) -> list[Binary]:
    """The operators down the left side, lowest first, so `expr` is last.

    A chain without parentheses, such as `a + b + c`, grows to the left and may be thousands of
    operators long. Code that walks trees loops over this, and recurses only into the right sides.
    """
    spine = [expr]
    while isinstance(spine[-1].left, Binary):
        spine.append(spine[-1].left)
    spine.reverse()
    return spine


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all below it, parents first, in the order of the text."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def rewrite(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The tree with `change` applied to every node, children first.

    Parts that do not change are shared with the input. The selector of a range must stay a
    selector.
    """
    if not isinstance(expr, Binary):
        return change(_renewed(expr, tuple(rewrite(child, change) for child in children(expr))))
    spine = left_spine(expr)
    left = rewrite(spine[0].left, change)
    for node in spine:
        left = change(_renewed(node, (left, rewrite(node.right, change))))
    return left


def _renewed(expr: Expr, new: tuple[Expr, ...]) -> Expr:
    """The node with these children; itself if they are its own."""
    same = all(after is before for after, before in zip(new, children(expr), strict=True))
    return expr if same else with_children(expr, new)


def with_children(expr: Expr, new: tuple[Expr, ...]) -> Expr:
    """The node with other children, as many as `children` gives."""
    match expr, new:
        case ((Number() | Text() | VectorSelector()), ()):
            return expr
        case MatrixSelector(), (VectorSelector() as selector,):
            return replace(expr, selector=selector)
        case ((Paren() | Subquery()), (inner,)):
            return replace(expr, inner=inner)
        case Unary(), (operand,):
            return replace(expr, operand=operand)
        case Binary(), (left, right):
            return replace(expr, left=left, right=right)
        case Aggregate(parameter=None), (operand,):
            return replace(expr, operand=operand)
        case Aggregate(op=op), (parameter, *more, operand) if AGGREGATORS[op].more_first:
            return replace(expr, parameter=parameter, operand=operand, more=tuple(more))
        case Aggregate(), (parameter, operand, *more):
            return replace(expr, parameter=parameter, operand=operand, more=tuple(more))
        case Call(), _:
            return replace(expr, arguments=new)
        case _:
            raise TypeError(f"these cannot be the children of a {type(expr).__name__}")
