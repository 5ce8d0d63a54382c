"""The plans that run batch by batch, below an aggregation, so that their whole matrix never exists.

Such a plan is a selector, or a function over a selector's range, under elementwise operations. The
types of its nodes decide this.
"""

from __future__ import annotations

from novaql.language.precedence import TRIM_OPERATORS
from novaql.language.value_types import ValueType
from novaql.planner.label_flow import CELL_BY_CELL, OF_WHOLE_RANGES
from novaql.planner.logical import (
    BinaryOp,
    FunctionCall,
    Negate,
    Plan,
    Select,
    StepInvariant,
    Window,
    type_of,
)


def runs_as_pipeline(plan: Plan, known: dict[int, bool] | None = None) -> bool:
    """Whether the plan, an instant vector, can be evaluated one batch at a time.

    known  results by the id of a plan, for callers that check each plan of a deep tree
    """
    if known is None:
        return _decided(plan, known)
    if id(plan) not in known:
        known[id(plan)] = _decided(plan, known)
    return known[id(plan)]


def _decided(plan: Plan, known: dict[int, bool] | None) -> bool:
    while isinstance(plan, BinaryOp) and type_of(plan.right) is ValueType.SCALAR:
        if plan.op in TRIM_OPERATORS:
            return False
        plan = plan.left
    match plan:
        case Select():
            return True
        case FunctionCall(function=name) if name in OF_WHOLE_RANGES:
            return False
        case FunctionCall(function="timestamp", arguments=(operand,)):
            return isinstance(unwrap(operand), Select)
        case FunctionCall(arguments=arguments) if any(isinstance(a, Window) for a in arguments):
            return True
        case FunctionCall(function=name, arguments=(operand, *_)) if name in CELL_BY_CELL:
            return runs_as_pipeline(operand, known)
        case Negate(operand=operand):
            return runs_as_pipeline(operand, known)
        case BinaryOp(op=op) if op in TRIM_OPERATORS:
            return False
        case BinaryOp(left=left, right=right):
            return type_of(left) is ValueType.SCALAR and runs_as_pipeline(right, known)
        case _:
            return False


def unwrap(plan: Plan) -> Plan:
    """The plan below StepInvariant."""
    return plan.inner if isinstance(plan, StepInvariant) else plan
