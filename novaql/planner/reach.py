"""The samples that the result at one step depends on, by which the result cache invalidates steps.

Steps must be independent: the other times of the query do not change the result at a time. For
plans for which this does not hold, `reach` returns None.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from novaql.fast_dataclass import dataclass
from novaql.language.ast import left_spine
from novaql.language.signatures import AGGREGATORS, FUNCTIONS
from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    MEMBER,
    RANDOM,
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
    children,
    type_of,
)
from novaql.planner.whole_range import RANGE_AGGREGATIONS, WHOLE_RANGE

_BY_OTHER_ROWS = frozenset({"bottomk", "limit_ratio", "limitk", "topk"})
"""Aggregations that choose among equal values by the order of series, which depends on the range,
or that read the parameters of all steps together."""

_BY_OTHER_THINGS = RANDOM | frozenset(
    {"drop_empty_series", "end", "info", "limit_offset", "now", "range", "start", "union"}
)
"""Functions that depend on the range, on series that the plan does not name, on the order of
series, on the clock or on chance."""

_AGGREGATIONS = AGGREGATORS.keys() - RANGE_AGGREGATIONS - _BY_OTHER_ROWS
_FUNCTIONS = FUNCTIONS.keys() - WHOLE_RANGE - _BY_OTHER_THINGS | {MEMBER}
"""The reach of results that depend on the step alone."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The samples that the result at time t depends on.

    relative  from t + first to t + last; None: none
    fixed     ranges of time that `@` names
    """

    relative: tuple[int, int] | None = None
    fixed: tuple[tuple[int, int], ...] = ()

    def at(self, time_ms: int) -> tuple[tuple[int, int], ...]:
        """Return the reach of an evaluation at one time: fixed ranges only."""
        if self.relative is None:
            return self.fixed
        first, last = self.relative
        return (*self.fixed, (time_ms + first, time_ms + last))

    def between(self, first_ms: int, last_ms: int) -> Reach:
        """Return the reach at t of evaluations from t + first_ms to t + last_ms."""
        if self.relative is None:
            return self
        first, last = self.relative
        return Reach((first_ms + first, last_ms + last), self.fixed)

    def during(self, first_ms: int, last_ms: int) -> Reach:
        """Return the reach of evaluations between two fixed times."""
        if self.relative is None:
            return self
        first, last = self.relative
        return Reach(None, (*self.fixed, (first_ms + first, last_ms + last)))


def reach(plan: Plan, lookback_ms: int) -> Reach | None:
    """Return the reach of a plan; None if a step depends on more than samples and its own time."""
    found = _reach(plan, lookback_ms)
    return None if found is None else _merged([found])


def _reach(plan: Plan, lookback_ms: int) -> Reach | None:
    match plan:
        case Select():
            return of_selector(plan, lookback_ms, lookback_ms)
        case Window(select=select, range_ms=range_ms):
            return of_selector(select, range_ms, lookback_ms)
        case SubqueryWindow():
            inner = _reach(plan.inner, lookback_ms)
            if inner is None:
                return None
            wide = plan.range_ms + plan.step_ms + 1
            if plan.at_ms is None:
                return inner.between(-plan.offset_ms - wide, -plan.offset_ms)
            end = plan.at_ms - plan.offset_ms
            return inner.during(end - wide, end)
        case Aggregation(op=op) if op not in _AGGREGATIONS:
            return None
        case FunctionCall(function=name) if name.partition(":")[0] not in _FUNCTIONS:
            return None
        case FunctionCall(function="quantiles_over_time") if _some_scalar_varies(plan):
            return None  # labels depend on the first step
        case BinaryOp():
            spine = left_spine(plan)
            below = [spine[0].left, *(node.right for node in spine)]
            return _all(below, lookback_ms)
        case Constant() | TextConstant() | Nothing() | Shared() | Subset() | Negate():
            return _all(children(plan), lookback_ms)
        case Default():  # gaps of series that have a value at some other step
            return None
        case Shift(inner=inner, offset_ms=offset_ms, at_ms=at_ms):
            found = _reach(inner, lookback_ms)
            if found is None:
                return None
            if at_ms is None:
                return found.between(-offset_ms, -offset_ms)
            return found.during(at_ms - offset_ms, at_ms - offset_ms)
        case RetainNames():
            return _all(children(plan), lookback_ms)
        case Aggregation() | FunctionCall() | StepInvariant():
            return _all(children(plan), lookback_ms)
        case _:
            assert_never(plan)


def _some_scalar_varies(call: FunctionCall) -> bool:
    scalars = (one for one in call.arguments if type_of(one) is ValueType.SCALAR)
    return not all(isinstance(one, Constant | StepInvariant) for one in scalars)


def _all(plans: Iterable[Plan], lookback_ms: int) -> Reach | None:
    found = []
    for plan in plans:
        one = _reach(plan, lookback_ms)
        if one is None:
            return None
        found.append(one)
    return _merged(found)


def _merged(parts: list[Reach]) -> Reach:
    relative = [part.relative for part in parts if part.relative is not None]
    fixed = {stretch for part in parts for stretch in part.fixed}
    both = (min(r[0] for r in relative), max(r[1] for r in relative)) if relative else None
    return Reach(both, tuple(sorted(fixed)))


def of_selector(select: Select, range_ms: int, lookback_ms: int) -> Reach:
    """Return the reach of a selector.

    range_ms  its range, or the lookback
    """
    # One millisecond more on the left, for ranges that include that end. `anchored` reads a sample
    # before the range, `smoothed` one on either side.
    before = range_ms + 1 + (lookback_ms if select.anchored or select.smoothed else 0)
    after = lookback_ms if select.smoothed else 0
    if select.at_ms is None:
        return Reach((-select.offset_ms - before, -select.offset_ms + after))
    end = select.at_ms - select.offset_ms
    return Reach(None, ((end - before, end + after),))
