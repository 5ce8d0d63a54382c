"""What a query will read, known before any sample is: from directories alone.

The selections of a plan are asked for as operators will ask for them, so that each is admitted to
the budget before anything is read, and is there when its operator wants it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from novaql.evaluator.context import Context
from novaql.evaluator.memory_estimate import Need, memory_needed
from novaql.evaluator.operators.selector import read, window_ends
from novaql.evaluator.operators.subquery import inner_steps
from novaql.evaluator.steps import Steps
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    Constant,
    FunctionCall,
    Negate,
    Nothing,
    Plan,
    Select,
    Shared,
    StepInvariant,
    SubqueryWindow,
    Subset,
    TextConstant,
    Window,
    children,
    left_spine,
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Series that are selected, samples that are read of them, selection by selection, about how
    many bytes of memory are taken at one time, and how many values are looked at."""

    series: int = 0
    samples: int = 0
    bytes: int = 0
    work: int = 0


def admit_all(context: Context, plan: Plan, steps: Steps) -> Estimate:
    """Ask for every selection of a plan at these steps. Raises `LimitExceeded`."""
    needed = Need()
    if steps.count:
        _admit(context, plan, steps, set())
        needed = memory_needed(context, plan, steps)
    return Estimate(context.series_selected, context.samples_read, needed.peak, needed.work)


def _admit(context: Context, plan: Plan, steps: Steps, seen: set[tuple[int, Steps]]) -> None:
    match plan:
        case Constant() | TextConstant() | Nothing():
            return
        case Select():
            lookback_ms = context.reach_ms(context.options.lookback_ms)
            ahead_ms = lookback_ms if plan.smoothed else 0
            _read(context, plan, steps, lookback_ms, ahead_ms)
        case Window(select=select, range_ms=range_ms):
            lookback_ms, ahead_ms = context.options.lookback_ms, 0
            if select.anchored or select.smoothed:
                range_ms += lookback_ms
                ahead_ms = lookback_ms if select.smoothed else 0
            else:
                range_ms = context.reach_ms(range_ms)
            _read(context, select, steps, range_ms, ahead_ms)
        case SubqueryWindow():
            inside = inner_steps(context, plan, steps)
            if inside.count:
                _admit(context, plan.inner, inside, seen)
        case StepInvariant(inner=inner):
            _admit(context, inner, steps.first(), seen)
        case Shared(inner=inner, number=number):
            if (number, steps) not in seen:
                seen.add((number, steps))
                _admit(context, inner, steps, seen)
        case BinaryOp():
            spine = left_spine(plan)
            for below in (spine[0].left, *(node.right for node in spine)):
                _admit(context, below, steps, seen)
        case Subset() | Negate() | Aggregation() | FunctionCall():
            for below in children(plan):
                _admit(context, below, steps, seen)
        case _:
            assert_never(plan)


def _read(context: Context, select: Select, steps: Steps, reach_ms: int, ahead_ms: int) -> None:
    found = read(context, select, window_ends(select, steps) + ahead_ms, reach_ms + ahead_ms)
    if context.profile is not None:
        context.profile.selected(select, found)
