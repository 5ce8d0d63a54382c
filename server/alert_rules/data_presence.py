"""Whether the selectors of an alert's expression find series: the policy `no_data` asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from dataclasses import replace

from novaql.language import (
    Aggregate,
    Call,
    Expr,
    MatrixSelector,
    Shifted,
    Subquery,
    VectorSelector,
    children,
    format_expr,
    parse_core,
)


def has_data(expr: str, at: Callable[[str], Sized]) -> bool:
    """Whether any selector of an expression finds a series at the times at which the expression
    reads it; True without selectors."""
    texts = dict.fromkeys(map(format_expr, _readings(parse_core(expr))))
    return not texts or any(len(at(text)) for text in texts)


def _readings(expr: Expr) -> Iterator[Expr]:
    """For each selector, a vector that has a series if the selector has."""
    waiting: list[tuple[Expr, tuple[Shifted | Subquery, ...]]] = [(expr, ())]
    while waiting:
        node, around = waiting.pop()
        match node:
            case MatrixSelector(selector=selector):
                plain = replace(selector, anchored=False, smoothed=False)
                yield _within(Call("last_over_time", (replace(node, selector=plain),)), around)
            case VectorSelector():
                yield _within(node, around)
            case Shifted() | Subquery():
                waiting.append((node.inner, (*around, node)))
            case Call(function="info", arguments=arguments):
                # The second argument is a pattern for labels, and selects nothing of its own.
                waiting.append((arguments[0], around))
            case _:
                waiting.extend((child, around) for child in reversed(children(node)))


def _within(selection: Expr, around: tuple[Shifted | Subquery, ...]) -> Expr:
    """The number of selected series, shifted and over the times of the subqueries around them."""
    counted: Expr = Aggregate("count", selection)
    for node in reversed(around):
        inner = replace(node, inner=counted)
        counted = Call("last_over_time", (inner,)) if isinstance(node, Subquery) else inner
    return counted
