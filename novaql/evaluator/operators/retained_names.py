"""`keep_metric_names`: whether the operand of an operation has names to retain."""

from __future__ import annotations

from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.operators.arithmetic import drops_name
from novaql.language.ast import Cardinality
from novaql.language.precedence import SET_OPERATORS
from novaql.language.signatures import AGGREGATORS
from novaql.language.signatures.label_edits import LABEL_EDITS
from novaql.language.signatures.labels import LABELS
from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    MEMBER,
    Aggregation,
    BinaryOp,
    Default,
    FunctionCall,
    Negate,
    Plan,
    RetainNames,
    Select,
    Shared,
    Shift,
    StepInvariant,
    SubqueryWindow,
    Subset,
    Window,
    type_of,
)
from novaql.planner.rollup_calls import UNIONS
from novaql.planner.whole_range import WHOLE_RANGE

_RETAINING = (LABELS.keys() | LABEL_EDITS.keys() | WHOLE_RANGE) - {"label_value"} | {
    "default_rollup", "drop_empty_series", "limit_offset", MEMBER, "sort", "sort_desc", "union",
}  # fmt: skip


def operand_has_names(plan: Plan) -> bool:
    """Whether the rows of the operand of an operation have metric names at the end of a query."""
    match plan:
        case FunctionCall(function=name, arguments=(_, *parts)) if name in UNIONS:
            return any(map(operand_has_names, parts[1::2]))
        case FunctionCall(arguments=arguments):
            for argument in arguments:
                if isinstance(argument, Window | SubqueryWindow):
                    return has_names(argument)
            return any(has_names(argument) for argument in arguments)
        case BinaryOp(left=FunctionCall() as call) if call.span == plan.span:
            return operand_has_names(call)  # a function that is defined as another one per second
        case BinaryOp(left=left, right=right):
            return has_names(left) or has_names(right)
        case Negate(operand=operand):
            return has_names(operand)
        case StepInvariant(inner=inner) | Shared(inner=inner) | Shift(inner=inner):
            return operand_has_names(inner)
        case _:
            return has_names(plan)


def _returns_right(plan: BinaryOp | Default) -> bool:
    """Whether the names of a filter or a union are those of its right side: `1 < m`,
    `a > on (x) group_right () m`, `vector(0) or m`."""
    left = plan.left
    while isinstance(left, StepInvariant | Shared):
        left = left.inner
    if isinstance(plan, Default) or plan.op == "or":
        return isinstance(left, FunctionCall) and left.function == "vector"
    if plan.op in SET_OPERATORS:
        return False
    return plan.matching.cardinality is Cardinality.ONE_TO_MANY or type_of(left) is ValueType.SCALAR


def has_names(plan: Plan) -> bool:
    """Whether the rows of a plan have metric names at the end of a query."""
    while isinstance(plan, BinaryOp | Default):  # chains are long to the left
        if isinstance(plan, BinaryOp) and drops_name(plan):
            return False
        if _returns_right(plan):
            return has_names(plan.right)
        plan = plan.left
    match plan:
        case Select():
            return True
        case Window(stages=stages):
            return all(
                stage.function in ("==", "!=", ">", "<", ">=", "<=", MEMBER)
                and not stage.return_bool
                for stage in stages
            )
        case SubqueryWindow(inner=inner) | StepInvariant(inner=inner) | Shared(inner=inner):
            return has_names(inner)
        case Subset(inner=inner) | Shift(inner=inner):
            return has_names(inner)
        case RetainNames(inner=inner):
            return operand_has_names(inner)
        case Aggregation(op=op, operand=operand):
            return AGGREGATORS[op].returns_input_series and has_names(operand)
        case FunctionCall(function="alias"):
            return True
        case FunctionCall(function=name, arguments=(_, *parts)) if name in UNIONS:
            return name != "aggr_over_time" and any(map(has_names, parts[1::2]))
        case FunctionCall(function=name):
            retained = RANGE_FUNCTIONS[name].retains_name if name in RANGE_FUNCTIONS else False
            return (retained or name in _RETAINING) and operand_has_names(plan)
        case _:
            return False
