"""Subplans that are always empty are not evaluated, and neither are operators that are then
empty."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace

from novaql.language.value_types import ValueType
from novaql.planner.label_flow import GROUPING, is_quiet, operand_of
from novaql.planner.logical import (
    LOOKS_AT_SELECTOR,
    Aggregation,
    BinaryOp,
    Constant,
    FunctionCall,
    Negate,
    Nothing,
    Plan,
    Select,
    SubqueryWindow,
    Window,
    rewrite,
    type_of,
    with_children,
)
from novaql.tsdb.model.matchers import MatchOp

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
    ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


def drop_dead_branches(plan: Plan) -> Plan:
    """`x and on () (vector(0) == 1)` is nothing, and so is `m{a="1", a="2"}`.

    Dashboards build such switches from variables. The other side of an operator is dropped only if
    it can neither fail nor warn.
    """
    changed = rewrite(plan, _pruned)
    if changed is not plan:
        changed = _bare(rewrite(changed, _without_nothing))
    if _is_dead(changed) and type_of(changed) is ValueType.VECTOR:
        return Nothing(span=changed.span)
    return changed


def _pruned(plan: Plan) -> Plan:
    match plan:
        case BinaryOp():
            return _operation(plan)
        case Aggregation(op=op, operand=operand, parameter=None) if op in GROUPING:
            return Nothing(span=plan.span) if _is_dead(operand) else plan
        case Negate(operand=operand):
            return Nothing(span=plan.span) if _is_dead(operand) else plan
        case FunctionCall(function=name, arguments=arguments) if name != "absent_over_time":
            for argument in arguments:
                if isinstance(argument, SubqueryWindow) and _is_dead(argument.inner):
                    dead = True
                    break
            else:
                below = operand_of(plan)
                dead = below is not None and _is_dead(below)
            others = [a for a in arguments if type_of(a) is ValueType.SCALAR]
            plain = all(isinstance(a, Constant) for a in others)
            annotates = name in ("quantile_over_time", "double_exponential_smoothing")
            return Nothing(span=plan.span) if dead and plain and not annotates else plan
        case _:
            return plan


def _operation(plan: BinaryOp) -> Plan:
    # The right side first: the left one may be a long chain.
    if type_of(plan.right) is ValueType.SCALAR:
        return _against_scalar(plan, plan.left, plan.right)
    if type_of(plan.left) is ValueType.SCALAR:
        return _against_scalar(plan, plan.right, plan.left)
    matching = plan.matching
    if matching.fill_left is not None or matching.fill_right is not None:
        return plan
    dead_left, dead_right = _is_dead(plan.left), _is_dead(plan.right)
    match plan.op:
        case "or" | "unless" if dead_right:
            return _alone(plan, plan.left)
        case "or":
            return _alone(plan, plan.right) if dead_left else plan
        case "unless":
            return Nothing(span=plan.span) if dead_left and is_quiet(plan.right) else plan
        case _:
            other = plan.right if dead_left else plan.left
            gone = (dead_left or dead_right) and (_is_dead(other) or is_quiet(other))
            return Nothing(span=plan.span) if gone else plan


def _alone(plan: BinaryOp, side: Plan) -> Plan:
    """The result of one side. A selector stays the side of an operator for now: its parent may be a
    function to which it matters that its argument is a selector."""
    if not isinstance(side, Select) or _is_dead(side):
        return side
    return replace(plan, op="or", left=side, right=Nothing(span=plan.span))


def _without_nothing(plan: Plan) -> Plan:
    """Replace children `selector or nothing` by their selectors, if the node is equal then."""
    if isinstance(plan, FunctionCall) and plan.function in LOOKS_AT_SELECTOR:
        return plan
    return with_children(plan, _bare)


def _bare(plan: Plan) -> Plan:
    match plan:
        case BinaryOp(op="or", left=Select() as select, right=Nothing()):
            return select
        case _:
            return plan


def _against_scalar(plan: BinaryOp, vector: Plan, scalar: Plan) -> Plan:
    if not isinstance(scalar, Constant):
        return plan
    if _is_dead(vector):
        return Nothing(span=plan.span)
    match vector:
        case FunctionCall(function="vector", arguments=(Constant() as constant,)):
            if plan.op in COMPARE and not plan.return_bool:
                sides = (constant.value, scalar.value)
                holds = COMPARE[plan.op](*(sides if vector is plan.left else sides[::-1]))
                return vector if holds else Nothing(span=plan.span)
    return plan


def _is_dead(plan: Plan) -> bool:
    """Whether it provably has no row at any step."""
    if isinstance(plan, Nothing):
        return True
    select = plan.select if isinstance(plan, Window) else plan
    return isinstance(select, Select) and _contradicts_itself(select)


def _contradicts_itself(select: Select) -> bool:
    """Whether one matcher requires a value of a label that another matcher excludes."""
    pinned = {m.name: m.value for m in select.matchers if m.op is MatchOp.EQUAL}
    return any(m.name in pinned and not m.matches(pinned[m.name]) for m in select.matchers)
