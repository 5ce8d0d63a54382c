"""`offset` and `@` after an expression."""

from __future__ import annotations

from dataclasses import replace

from novaql.language.ast import left_spine
from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    Aggregation,
    BinaryOp,
    Constant,
    Default,
    FunctionCall,
    Negate,
    Plan,
    RetainNames,
    Select,
    Shift,
    SubqueryWindow,
    TextConstant,
    Window,
    children,
    rewrite,
    type_of,
)
from novaql.planner.rules.hoist_step_invariant import TIME_DEPENDENT
from novaql.planner.whole_range import RANGE_AGGREGATIONS, WHOLE_RANGE
from novaql.span import Span


def shifted(plan: Plan, offset_ms: int, at_ms: int | None, span: Span) -> Plan:
    """Return the plan as of other times: offset_ms earlier, or than at_ms.

    The shift moves into selectors and subqueries if this is equivalent, so that no other part of
    the plan changes. `time()` and similar functions need a separate node.
    """
    if type_of(plan) is ValueType.MATRIX or _is_transparent(plan):
        return _pushed(plan, offset_ms, at_ms)
    return Shift(plan, offset_ms, at_ms, span=span)


def _is_transparent(plan: Plan) -> bool:
    """Whether only selectors and subqueries of the plan depend on the time."""
    match plan:
        case Select() | Window() | SubqueryWindow() | Constant() | TextConstant():
            return True
        case FunctionCall(function=name) if name in TIME_DEPENDENT or name in WHOLE_RANGE:
            return False
        case Aggregation(op=op) if op in RANGE_AGGREGATIONS:
            return False
        case BinaryOp():
            spine = left_spine(plan)
            return _is_transparent(spine[0].left) and all(
                _is_transparent(node.right) for node in spine
            )
        case FunctionCall() | Aggregation() | Negate() | Default() | RetainNames():
            return all(map(_is_transparent, children(plan)))
        case _:
            return False


def _pushed(plan: Plan, offset_ms: int, at_ms: int | None) -> Plan:
    inside: set[int] = set()  # nodes of subqueries, whose points move with their ranges

    def mark(node: Plan) -> None:
        waiting = [node]
        while waiting:
            below = waiting.pop()
            inside.add(id(below))
            waiting.extend(children(below))

    waiting = [plan]
    while waiting:
        node = waiting.pop()
        if isinstance(node, SubqueryWindow):
            mark(node.inner)
        else:
            waiting.extend(children(node))

    def change(node: Plan) -> Plan:
        match node:
            case Select(at_ms=None) | SubqueryWindow(at_ms=None) if id(node) not in inside:
                return replace(node, offset_ms=node.offset_ms + offset_ms, at_ms=at_ms)
            case _:
                return node

    return rewrite(plan, change)
