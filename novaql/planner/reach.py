"""Which samples the result at one step depends on: the result cache invalidates steps by it.

Steps are independent: the result at a time is the same, whatever the other times of the query. For
plans for which this does not hold, `reach` returns None.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from novaql.language.ast import left_spine
from novaql.language.signatures.metricsql_over_time import METRICSQL_OVER_TIME
from novaql.language.signatures.metricsql_rollups import METRICSQL_ROLLUPS
from novaql.language.signatures.novaql_functions import NOVAQL_FUNCTIONS
from novaql.planner.label_flow import CELL_BY_CELL
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
    children,
)

AGGREGATIONS = frozenset(
    {
        "sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "quantile",
        "count_values", "distinct", "geomean", "mad", "median", "mode", "share", "sum2", "zscore",
    }
)  # fmt: skip
"""Without those that choose among equal values by the order of series: it depends on the range."""

_ADDED = frozenset((*METRICSQL_ROLLUPS, *METRICSQL_OVER_TIME, *NOVAQL_FUNCTIONS))

FUNCTIONS = CELL_BY_CELL | _ADDED | frozenset(
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
        "alias", "label_copy", "label_del", "label_keep", "label_lowercase", "label_map",
        "label_match", "label_mismatch", "label_move", "label_set", "label_transform",
        "label_uppercase", "label_value", "labels_equal", "sort_by_label_numeric",
        "sort_by_label_numeric_desc", "histogram_share", "start_of", "timezone_offset",
    }
)  # fmt: skip
"""Functions that depend on the step alone: not on the range, as `end()` does, nor on series that
the plan does not name, as `info` does. New functions have to be added here."""


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
        case Aggregation(op=op) if op not in AGGREGATIONS:
            return None
        case FunctionCall(function=name) if name.partition(":")[0] not in FUNCTIONS:
            return None
        case BinaryOp():
            spine = left_spine(plan)
            below = [spine[0].left, *(node.right for node in spine)]
            return _all(below, lookback_ms)
        case Constant() | TextConstant() | Nothing() | Shared() | Subset() | Negate():
            return _all(children(plan), lookback_ms)
        case Default():  # gaps of series that are there at some other step
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
    # One millisecond more on the left, for ranges that include that end. `anchored` looks for a
    # sample before the range, `smoothed` for one on either side.
    before = range_ms + 1 + (lookback_ms if select.anchored or select.smoothed else 0)
    after = lookback_ms if select.smoothed else 0
    if select.at_ms is None:
        return Reach((-select.offset_ms - before, -select.offset_ms + after))
    end = select.at_ms - select.offset_ms
    return Reach(None, ((end - before, end + after),))
