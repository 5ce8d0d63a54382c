"""What does not depend on the step is evaluated once."""

from __future__ import annotations

from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    Constant,
    FunctionCall,
    Plan,
    Select,
    StepInvariant,
    SubqueryWindow,
    TextConstant,
    Window,
    children,
    type_of,
    with_children,
)

TIME_DEPENDENT = frozenset(
    {
        "time", "timestamp", "predict_linear", "minute", "hour", "day_of_week", "day_of_month",
        "day_of_year", "days_in_month", "month", "year",
    }
)  # fmt: skip
"""Functions whose value depends on the evaluation time even where their arguments do not."""


def hoist_step_invariant(plan: Plan) -> Plan:
    """Wrap the largest subtrees in which every selector is pinned by `@`.

    A range vector is never wrapped by itself, only the call that consumes it. Nothing inside a
    pinned subquery is wrapped on that account: its inner steps are many.
    """
    if _invariant(plan) and type_of(plan) in (ValueType.SCALAR, ValueType.VECTOR):
        if isinstance(plan, Constant):
            return plan
        return StepInvariant(with_children(plan, _inside_subqueries), plan.span)
    if isinstance(plan, Window):
        return plan
    return with_children(plan, hoist_step_invariant)


def _inside_subqueries(plan: Plan) -> Plan:
    """Below a hoisted node only the insides of subqueries still have steps of their own."""
    if isinstance(plan, SubqueryWindow):
        return with_children(plan, hoist_step_invariant)
    return with_children(plan, _inside_subqueries)


def _invariant(plan: Plan) -> bool:
    match plan:
        case Constant() | TextConstant():
            return True
        case Select(at_ms=at_ms) | SubqueryWindow(at_ms=at_ms):
            return at_ms is not None
        case Window(select=select):
            return select.at_ms is not None
        case FunctionCall(function=function) if function in TIME_DEPENDENT:
            return False
        case _:
            return all(_invariant(child) for child in children(plan))
