"""Names of `let` in durations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from novaql.errors import TypeProblem
from novaql.language.ast import (
    Duration,
    DurationBinary,
    DurationLiteral,
    DurationParen,
    DurationQuery,
    DurationReference,
    DurationUnary,
    Expr,
    Number,
    Paren,
    VectorSelector,
)
from novaql.language.fault import Fault, brief

AUTO = DurationReference("auto")
"""The automatic window."""

MOST_SECONDS = 2**63 / 1e9

Lookup = Callable[[VectorSelector], Expr | None]
"""The core tree of a name; None: there is no such name."""


def with_names(duration: Duration, look_up: Lookup, *, auto: bool) -> Duration:
    """Return the duration with the values of its names; the same object if it has none.

    auto  whether the whole duration may be `auto`

    Raises `Fault`.
    """
    match duration:
        case DurationLiteral() | DurationQuery():
            return duration
        case DurationReference(name=name):
            return _value(duration, look_up(VectorSelector(name, span=duration.span)), auto=auto)
        case DurationUnary(operand=operand):
            new = with_names(operand, look_up, auto=False)
            return duration if new is operand else replace(duration, operand=new)
        case DurationParen(inner=inner):
            new = with_names(inner, look_up, auto=False)
            return duration if new is inner else replace(duration, inner=new)
        case DurationBinary(left=left, right=right):
            sides = with_names(left, look_up, auto=False), with_names(right, look_up, auto=False)
            if sides[0] is left and sides[1] is right:
                return duration
            return replace(duration, left=sides[0], right=sides[1])
        case _:
            assert_never(duration)


def _value(duration: DurationReference, found: Expr | None, *, auto: bool) -> Duration:
    if found is None:
        if duration.name == AUTO.name and auto:
            return duration
        where = " here: it is a range of its own" if duration.name == AUTO.name else ""
        raise Fault(
            f'a duration is expected here, got "{brief(duration.name)}"{where}',
            duration.span,
            suggestion="as in 5m, or a name that let has",
        )
    while isinstance(found, Paren):
        found = found.inner
    if not isinstance(found, Number) or not abs(found.value) < MOST_SECONDS:
        raise Fault(f"{brief(duration.name)} is no duration", duration.span, kind=TypeProblem)
    return DurationLiteral(round(found.value * 1e9), span=duration.span)
