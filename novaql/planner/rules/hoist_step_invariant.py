"""Subplans that do not depend on the step are evaluated once."""

from __future__ import annotations

from novaql.language.ast import left_spine
from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    RANDOM,
    BinaryOp,
    Constant,
    FunctionCall,
    Nothing,
    Plan,
    Select,
    Shift,
    StepInvariant,
    SubqueryWindow,
    TextConstant,
    Window,
    children,
    type_of,
    with_children,
    with_sides,
)
from novaql.planner.whole_range import WHOLE_RANGE

TIME_DEPENDENT = RANDOM | frozenset(
    {
        "time", "timestamp", "predict_linear", "minute", "hour", "day_of_week", "day_of_month",
        "day_of_year", "days_in_month", "month", "year", "start_of", "timezone_offset",
    }
)  # fmt: skip
"""Functions whose value depends on the evaluation time even if their arguments do not."""


def hoist_step_invariant(plan: Plan) -> Plan:
    """Wrap the largest subtrees in which every selector is pinned by `@`.

    A range vector is never wrapped alone, only with the call that consumes it. The `@` of a
    subquery does not make the expression inside invariant: that is evaluated at many inner steps.
    """
    if isinstance(plan, BinaryOp):
        return _hoist_chain(left_spine(plan))
    if _invariant(plan) and type_of(plan) in (ValueType.SCALAR, ValueType.VECTOR):
        return _wrapped(plan)
    if isinstance(plan, Window):
        return plan
    return with_children(plan, hoist_step_invariant)


def _hoist_chain(spine: list[BinaryOp]) -> Plan:
    """Operators, lowest first: one wrap around as many of the lowest ones as are invariant."""
    lowest = spine[0].left
    pinned = 0
    if _invariant(lowest):
        varying = (i for i, node in enumerate(spine) if not _invariant(node.right))
        pinned = next(varying, len(spine))
    left = _wrapped(spine[pinned - 1]) if pinned else hoist_step_invariant(lowest)
    for node in spine[pinned:]:
        left = with_sides(node, left, hoist_step_invariant(node.right))
    return left


def _wrapped(plan: Plan) -> Plan:
    if isinstance(plan, Constant | Nothing):
        return plan
    return StepInvariant(_inside_subqueries(plan), span=plan.span)


def _inside_subqueries(plan: Plan) -> Plan:
    """Below a hoisted node, only the expressions inside subqueries still have separate steps."""
    if isinstance(plan, SubqueryWindow | Shift):
        return with_children(plan, hoist_step_invariant)
    if not isinstance(plan, BinaryOp):
        return with_children(plan, _inside_subqueries)
    spine = left_spine(plan)
    left = _inside_subqueries(spine[0].left)
    for node in spine:
        left = with_sides(node, left, _inside_subqueries(node.right))
    return left


def _invariant(plan: Plan) -> bool:
    match plan:
        case Constant() | TextConstant() | Nothing():
            return True
        case Select(at_ms=at_ms) | SubqueryWindow(at_ms=at_ms):
            return at_ms is not None
        case Window(select=select):
            return select.at_ms is not None
        case Shift(at_ms=int()):
            return True
        case FunctionCall(function=name) if name in TIME_DEPENDENT or name in WHOLE_RANGE:
            return False
        case BinaryOp():
            spine = left_spine(plan)
            return _invariant(spine[0].left) and all(_invariant(node.right) for node in spine)
        case _:
            return all(_invariant(child) for child in children(plan))
