"""Arithmetic on numbers is computed once, by the planner."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from novaql.planner.logical import BinaryOp, Constant, Negate, Plan, rewrite

# Only what Python's floats compute exactly as IEEE 754 requires, without exceptions; the rest
# (division, remainder, powers) is left to the kernels, so that there is one definition of it.
EXACT: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


def fold_constants(plan: Plan) -> Plan:
    """`-1` and `4 * 3600` become numbers.

    >>> fold_constants(BinaryOp("*", Constant(4.0), Constant(3600.0)))
    Constant(value=14400.0)
    """
    return rewrite(plan, _fold)


def _fold(plan: Plan) -> Plan:
    match plan:
        case Negate(operand=Constant(value=value)):
            return Constant(-value, span=plan.span)
        case BinaryOp(op=op, left=Constant(value=a), right=Constant(value=b)) if op in EXACT:
            return Constant(EXACT[op](a, b), span=plan.span)
        case BinaryOp(op="/", left=Constant(value=a), right=Constant(value=b)) if (
            b != 0 and not math.isnan(b)
        ):
            return Constant(a / b, span=plan.span)
        case _:
            return plan
