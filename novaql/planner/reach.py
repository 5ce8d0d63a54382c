"""Which samples the answer at one step hangs on: what a cache of answers must know.

Everything is evaluated step by step: an answer at one time is the same, whichever other times are asked for.
`reach` says so only of plans of which it holds to the last series, and None of the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    FunctionCall,
    Plan,
    Select,
    SubqueryWindow,
    Window,
    children,
    left_spine,
)

CHOOSING = frozenset({"topk", "bottomk", "limitk"})
"""Aggregations that choose among equals by the order of series, which hangs on the whole range."""

OF_THE_RANGE = frozenset({"start", "end", "range", "info"})
"""Functions of the whole range; and `info`, which selects series that stand in no plan."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Samples that an answer at time t hangs on.

    relative  from t + first to t + last; None: none
    fixed     stretches of time that `@` names
    """

    relative: tuple[int, int] | None = None
    fixed: tuple[tuple[int, int], ...] = ()

    def at(self, time_ms: int) -> tuple[tuple[int, int], ...]:
        """The same seen from one time: all of it fixed."""
        if self.relative is None:
            return self.fixed
        first, last = self.relative
        return (*self.fixed, (time_ms + first, time_ms + last))

    def between(self, first_ms: int, last_ms: int) -> Reach:
        """What is needed at t if this is needed from t + first_ms to t + last_ms."""
        if self.relative is None:
            return self
        first, last = self.relative
        return Reach((first_ms + first, last_ms + last), self.fixed)

    def during(self, first_ms: int, last_ms: int) -> Reach:
        """What is needed if this is needed between two fixed times."""
        if self.relative is None:
            return self
        first, last = self.relative
        return Reach(None, (*self.fixed, (first_ms + first, last_ms + last)))


def reach(plan: Plan, lookback_ms: int) -> Reach | None:
    """None where an answer at a step hangs on more than samples and the step's time."""
    found = _reach(plan, lookback_ms)
    return None if found is None else _merged([found])


def _reach(plan: Plan, lookback_ms: int) -> Reach | None:
    match plan:
        case Select():
            return _window(plan, lookback_ms, lookback_ms)
        case Window(select=select, range_ms=range_ms):
            return _window(select, range_ms, lookback_ms)
        case SubqueryWindow():
            inner = _reach(plan.inner, lookback_ms)
            if inner is None:
                return None
            wide = plan.range_ms + plan.step_ms + 1
            if plan.at_ms is None:
                return inner.between(-plan.offset_ms - wide, -plan.offset_ms)
            end = plan.at_ms - plan.offset_ms
            return inner.during(end - wide, end)
        case Aggregation(op=op) if op in CHOOSING:
            return None
        case FunctionCall(function=name) if name in OF_THE_RANGE:
            return None
        case BinaryOp():
            spine = left_spine(plan)
            below = [spine[0].left, *(node.right for node in spine)]
            return _all(below, lookback_ms)
        case _:
            return _all(children(plan), lookback_ms)


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


def _window(select: Select, range_ms: int, lookback_ms: int) -> Reach:
    # One millisecond more on the left, for ranges that include that end. `anchored` looks for a
    # sample before the range, `smoothed` for one on either side.
    before = range_ms + 1 + (lookback_ms if select.anchored or select.smoothed else 0)
    after = lookback_ms if select.smoothed else 0
    if select.at_ms is None:
        return Reach((-select.offset_ms - before, -select.offset_ms + after))
    end = select.at_ms - select.offset_ms
    return Reach(None, ((end - before, end + after),))
