"""Plan → operators, once for each query: the steps of each node, and the samples that it reads."""

from __future__ import annotations

from typing import assert_never

from novaql.evaluator.context import Context
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.info import info_select
from novaql.evaluator.operators.reads import Read
from novaql.evaluator.operators.subquery import inner_steps
from novaql.evaluator.steps import Steps
from novaql.language.ast import left_spine
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    Constant,
    Default,
    FunctionCall,
    Negate,
    Nothing,
    Plan,
    RetainNames,
    Select,
    Shared,
    Shift,
    StepInvariant,
    SubqueryWindow,
    Subset,
    TextConstant,
    Window,
)
from novaql.planner.pipelined import unwrap


def lower(context: Context, plan: Plan, steps: Steps) -> Operator:
    """Return the operators of a plan at these steps. Nothing is read.

    Raises `LimitExceeded` if a subquery has too many points.
    """
    return _Lowering(context).lower(plan, steps)


class _Lowering:
    """A shared part of the plan becomes one operator for each set of steps at which it is
    needed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shared: dict[tuple[int, Steps], Operator] = {}

    def lower(self, plan: Plan, steps: Steps) -> Operator:
        match plan:
            case Constant() | TextConstant() | Nothing():
                return Operator(plan, steps)
            case Select() | Window():
                return Operator(plan, steps, (), Read.of(self._context, plan, steps))
            case SubqueryWindow(inner=inner):
                inside = inner_steps(self._context, plan, steps) if steps.count else steps
                return Operator(plan, steps, (self.lower(inner, inside),))
            case StepInvariant(inner=inner):
                return Operator(plan, steps, (self.lower(inner, steps.first()),))
            case Shared(inner=inner, number=number):
                if (number, steps) not in self._shared:
                    self._shared[number, steps] = self.lower(inner, steps)
                return Operator(plan, steps, (self._shared[number, steps],))
            case Shift(inner=inner):
                return Operator(plan, steps, (self.lower(inner, shifted_steps(plan, steps)),))
            case RetainNames(inner=below):
                return Operator(plan, steps, (self.lower(below, steps),))
            case Default(left=left, right=right):
                return Operator(plan, steps, (self.lower(left, steps), self.lower(right, steps)))
            case Subset(inner=below) | Negate(operand=below):
                return Operator(plan, steps, (self.lower(below, steps),))
            case BinaryOp():
                return self._chain(left_spine(plan), steps)
            case Aggregation(operand=below, parameter=parameter, more=more):
                given = (below, *(() if parameter is None else (parameter,)), *more)
                return Operator(plan, steps, tuple(self.lower(one, steps) for one in given))
            case FunctionCall():
                arguments = [self.lower(below, steps) for below in _arguments(plan)]
                return Operator(plan, steps, tuple(arguments))
            case _:
                assert_never(plan)

    def _chain(self, spine: list[BinaryOp], steps: Steps) -> Operator:
        below = self.lower(spine[0].left, steps)
        for node in spine:
            below = Operator(node, steps, (below, self.lower(node.right, steps)))
        return below


def shifted_steps(plan: Shift, steps: Steps) -> Steps:
    """The times at which the operand of a shift is evaluated: one, where `@` pins it."""
    if plan.at_ms is None:
        return Steps(steps.start_ms - plan.offset_ms, steps.step_ms, steps.count)
    return Steps(plan.at_ms - plan.offset_ms, 1, 1) if steps.count else steps


def _arguments(call: FunctionCall) -> tuple[Plan, ...]:
    """As the function evaluates them."""
    first = unwrap(call.arguments[0]) if call.arguments else None
    if call.function == "info":
        return call.arguments[0], info_select(call)
    if call.function in ("timestamp", "start_timestamp") and isinstance(first, Select):
        return (first,)  # of a sample that is pinned by `@` at every step
    return call.arguments
