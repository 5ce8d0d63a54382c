"""A query pinned to its time with `@`, so its result must be the same at any evaluation time."""

from __future__ import annotations

import re
from dataclasses import replace

from novaql.language.ast import (
    At,
    Binary,
    Call,
    DurationReference,
    Expr,
    MatrixSelector,
    Shifted,
    Subquery,
    VectorSelector,
)
from novaql.language.visit import children, walk, with_children
from novaql.planner.whole_range import RANGE_AGGREGATIONS, WHOLE_RANGE

DEPENDS_ON_TIME = frozenset(
    {
        "time", "timestamp", "predict_linear", "start", "end", "range", "step",
        "minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month",
        "month", "year", "start_of", "timezone_offset", "now", "rand", "rand_exponential",
        "rand_normal", "ttf",
    }
)  # fmt: skip
"""Functions whose value depends on the evaluation time even if their argument does not."""

_LOOK_AT_OTHER_STEPS = "|".join(WHOLE_RANGE | RANGE_AGGREGATIONS | {"ttf"})
_RANGE_DEPENDENT = re.compile(rf"\b((start|end|range|step)\s*\(\s*\)|({_LOOK_AT_OTHER_STEPS})\b)")


def pinned(expr: Expr, time_ms: int) -> Expr:
    """The query with `@ time` on every selector and subquery that has none.

    The inside of a subquery does not change, because the `@` of the subquery determines its times.
    """
    match expr:
        case VectorSelector(at=None) | Subquery(at=None) | Shifted(at=None):
            return replace(expr, at=At(time_ms))
        case VectorSelector() | Subquery() | Shifted():
            return expr
        case _:
            return with_children(expr, tuple(pinned(child, time_ms) for child in children(expr)))


def can_be_pinned(expr: Expr) -> bool:
    """Whether the result of the pinned query must be the same at any time."""
    calls = (node.function for node in walk(expr) if isinstance(node, Call))
    return not any(function in DEPENDS_ON_TIME for function in calls)


def other_times(time_ms: int) -> tuple[int, ...]:
    """Times at which a pinned query is run again."""
    if time_ms == 0:
        return (-1000, 0, 1000)
    return (-10 * time_ms, 0, time_ms // 5, time_ms, 10 * time_ms)


def depends_on_range(query: str, expr: Expr) -> bool:
    """Whether the value at a step may depend on the other steps: by `start()`, `end()`, `range()`
    or `step()`, or by an extension that reads all of them."""
    if _RANGE_DEPENDENT.search(query) is not None:
        return True
    for node in walk(expr):
        match node:
            case MatrixSelector(range=DurationReference()) | Subquery(implicit=True):
                return True
            case Binary(op="default") | Call(function="union" | "limit_offset"):
                return True
    return False
