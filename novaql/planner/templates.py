"""Functions that are plans of other functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from novaql.language.value_types import ValueType
from novaql.options import QueryOptions
from novaql.planner.logical import (
    BinaryOp,
    Constant,
    FunctionCall,
    Negate,
    Plan,
    SubqueryWindow,
)
from novaql.span import Span

YEAR_S = 365 * 24 * 3600
INSTANT_STEP_MS = 300_000
"""Step of templates in instant queries."""
SMOOTHED_S = 300
"""Steps of this length and longer ones are not smoothed by `ttf`."""


def _call(name: str, arguments: tuple[Plan, ...], span: Span) -> Plan:
    return FunctionCall(name, arguments, ValueType.VECTOR, span=span)


def _scalar(plan: Plan, span: Span) -> Plan:
    return FunctionCall("scalar", (plan,), ValueType.SCALAR, span=span)


def _at_least_0(plan: Plan, span: Span) -> Plan:
    return _call("clamp_min", (plan, Constant(0.0)), span)


def _ru(arguments: tuple[Plan, ...], _: QueryOptions, span: Span) -> Plan:
    """`clamp_min(max - free, 0) / max * 100`, of `clamp_min(max, 0)` and `clamp_min(free, 0)`.

    A scalar argument applies to all series of the other argument.
    """
    free, most = (_at_least_0(argument, span) for argument in arguments)
    match arguments:
        case (_, FunctionCall(function="vector")):
            most = _scalar(most, span)
        case (FunctionCall(function="vector"), _):
            free = _scalar(free, span)
    used = _at_least_0(BinaryOp("-", most, free, span=span), span)
    share = BinaryOp("/", used, most, span=span)
    return BinaryOp("*", share, Constant(100.0), span=span)


def _ttf(arguments: tuple[Plan, ...], options: QueryOptions, span: Span) -> Plan:
    """`smooth_exponential(clamp_max(clamp_max(-free, 0) / clamp_max(deriv(free[2i:1i]), 0), 1y),
    clamp_max(step() / 300, 1))`"""
    (free,) = arguments
    step_ms = options.step_ms or INSTANT_STEP_MS
    window = SubqueryWindow(free, 2 * step_ms, step_ms, span=span)
    slope = _call("clamp_max", (_call("deriv", (window,), span), Constant(0.0)), span)
    left = _call("clamp_max", (Negate(free, span=span), Constant(0.0)), span)
    seconds = BinaryOp("/", left, slope, span=span)
    factor = Constant(min(step_ms / 1000 / SMOOTHED_S, 1.0))
    bounded = _call("clamp_max", (seconds, Constant(float(YEAR_S))), span)
    return _call("smooth_exponential", (bounded, factor), span)


TEMPLATES: Mapping[str, Callable[[tuple[Plan, ...], QueryOptions, Span], Plan]] = {
    "ru": _ru,
    "ttf": _ttf,
}
"""By function: the plan of a call with these arguments."""

OF_THE_STEP = frozenset({"ttf"})
"""Templates that depend on the step of the query."""
