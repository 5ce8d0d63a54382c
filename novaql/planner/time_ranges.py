"""The samples that each selector of a plan reads, which determine the blocks that the store
skips."""

from __future__ import annotations

from collections.abc import Callable

from novaql.language.ast import left_spine
from novaql.planner.logical import (
    BinaryOp,
    Plan,
    Select,
    Shift,
    SubqueryWindow,
    Window,
    children,
)
from novaql.planner.reach import Reach, of_selector
from novaql.text.times import duration_text, time_text


def time_ranges(plan: Plan, lookback_ms: int) -> list[tuple[Select, Reach]]:
    """Return each selector with its reach, relative to the evaluation time of the plan."""
    found: list[tuple[Select, Reach]] = []

    def look(node: Plan, seen: Callable[[Reach], Reach]) -> None:
        match node:
            case Select():
                found.append((node, seen(of_selector(node, lookback_ms, lookback_ms))))
            case Window(select=select, range_ms=range_ms):
                found.append((select, seen(of_selector(select, range_ms, lookback_ms))))
            case SubqueryWindow(inner=inner):
                look(inner, lambda reach: seen(_of_points(node, reach)))
            case Shift(inner=inner, offset_ms=offset_ms, at_ms=None):
                look(inner, lambda reach: seen(reach.between(-offset_ms, -offset_ms)))
            case Shift(inner=inner, offset_ms=offset_ms, at_ms=int(at_ms)):
                at = at_ms - offset_ms
                look(inner, lambda reach: seen(reach.during(at, at)))
            case BinaryOp():
                spine = left_spine(node)
                for below in (spine[0].left, *(operator.right for operator in spine)):
                    look(below, seen)
            case _:
                for below in children(node):
                    look(below, seen)

    look(plan, lambda reach: reach)
    return found


def _of_points(plan: SubqueryWindow, inner: Reach) -> Reach:
    """Return the reach of a subquery whose points have the reach `inner`."""
    if plan.at_ms is None:
        return inner.between(-plan.offset_ms - plan.range_ms, -plan.offset_ms)
    end = plan.at_ms - plan.offset_ms
    return inner.during(end - plan.range_ms, end)


def range_text(reach: Reach) -> str:
    """Return `(t - 5m, t]`, where t is the evaluation time; times that `@` names are in full."""
    texts = [f"({time_text(first + 1)}, {time_text(last)}]" for first, last in reach.fixed]
    if reach.relative is not None:
        first, last = reach.relative
        texts.append(f"({_moment(first + 1)}, {_moment(last)}]")
    return " and ".join(texts)


def _moment(ms: int) -> str:
    if ms == 0:
        return "t"
    return f"t {'-' if ms < 0 else '+'} {duration_text(abs(ms))}"
