"""Which samples the answer at one step hangs on: what a cache of answers must know.

Everything is evaluated step by step: an answer at one time is the same, whichever other times are
asked for. `reach` speaks of plans for which this holds to the last series, and is None for others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from novaql.planner.label_flow import CELL_BY_CELL
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

AGGREGATIONS = frozenset(
    {"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "quantile", "count_values"}
)
"""Not those that choose among equals by the order of series, which hangs on the whole range."""

FUNCTIONS = CELL_BY_CELL | frozenset(
    {
        "absent", "absent_over_time", "avg_over_time", "changes", "count_over_time", "delta",
        "deriv", "double_exponential_smoothing", "first_over_time", "histogram_avg",
        "histogram_count", "histogram_fraction", "histogram_quantile", "histogram_quantiles",
        "histogram_stddev", "histogram_stdvar", "histogram_sum", "idelta", "increase", "irate",
        "label_join", "label_replace", "last_over_time", "mad_over_time", "max_of",
        "max_over_time", "min_of", "min_over_time", "pi", "predict_linear", "present_over_time",
        "quantile_over_time", "rate", "resets", "scalar", "sort", "sort_by_label",
        "sort_by_label_desc", "sort_desc", "start_timestamp", "stddev_over_time",
        "stdvar_over_time", "step", "sum_over_time", "time", "timestamp",
        "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time",
        "ts_of_min_over_time", "vector",
    }
)  # fmt: skip
"""Functions of a step alone: neither of the whole range, as `end()` is, nor of series that no plan
names, as `info` is. A new function does not stand here by itself."""


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
        case Aggregation(op=op) if op not in AGGREGATIONS:
            return None
        case FunctionCall(function=name) if name not in FUNCTIONS:
            return None
        case BinaryOp():
            spine = left_spine(plan)
            below = [spine[0].left, *(node.right for node in spine)]
            return _all(below, lookback_ms)
        case Constant() | TextConstant() | Nothing() | Shared() | Subset() | Negate():
            return _all(children(plan), lookback_ms)
        case Aggregation() | FunctionCall() | StepInvariant():
            return _all(children(plan), lookback_ms)
        case _:
            assert_never(plan)


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
    """What a selector needs for its newest sample (range_ms: the lookback), or for its range."""
    # One millisecond more on the left, for ranges that include that end. `anchored` looks for a
    # sample before the range, `smoothed` for one on either side.
    before = range_ms + 1 + (lookback_ms if select.anchored or select.smoothed else 0)
    after = lookback_ms if select.smoothed else 0
    if select.at_ms is None:
        return Reach((-select.offset_ms - before, -select.offset_ms + after))
    end = select.at_ms - select.offset_ms
    return Reach(None, ((end - before, end + after),))
