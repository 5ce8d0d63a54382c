"""Walking and rebuilding trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    Let,
    MatrixSelector,
    Member,
    Number,
    Paren,
    RetainNames,
    Shifted,
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
        case Shifted(inner=inner) | RetainNames(inner=inner):
            return (inner,)
        case Unary(operand=operand) | Member(operand=operand):
            return (operand,)
        case Let(bindings=bindings, body=body):
            return (*(binding.value for binding in bindings), body)
        case Binary(left=left, right=right):
            return (left, right)
        case Aggregate(op=op, operand=operand, parameter=parameter, more=more):
            return AGGREGATORS[op].in_order(parameter, operand, more)
        case Call(arguments=arguments):
            return arguments
        case _:
            assert_never(expr)


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all below it, parents first, in the order of the text."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def with_children(expr: Expr, new: tuple[Expr, ...]) -> Expr:
    """The node with other children, as many as `children` returns."""
    match expr, new:
        case ((Number() | Text() | VectorSelector()), ()):
            return expr
        case MatrixSelector(), (VectorSelector() as selector,):
            return replace(expr, selector=selector)
        case ((Paren() | Subquery() | Shifted() | RetainNames()), (inner,)):
            return replace(expr, inner=inner)
        case ((Unary() | Member()), (operand,)):
            return replace(expr, operand=operand)
        case Let(bindings=bindings), (*values, body):
            pairs = zip(bindings, values, strict=True)
            bound = tuple(replace(binding, value=value) for binding, value in pairs)
            return replace(expr, bindings=bound, body=body)
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
