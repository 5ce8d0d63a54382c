"""The rows and labels of a selector that reach the result of a plan: shared by several rules."""

from __future__ import annotations

from dataclasses import replace

from novaql.language.value_types import ValueType
from novaql.planner.logical import (
    MEMBER,
    Aggregation,
    BinaryOp,
    Constant,
    FunctionCall,
    Negate,
    Plan,
    Select,
    Window,
    type_of,
)
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp

CELL_BY_CELL = frozenset(
    {
        MEMBER,
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "clamp", "clamp_max",
        "clamp_min", "cos", "cosh", "day_of_month", "day_of_week", "day_of_year", "days_in_month",
        "deg", "exp", "floor", "hour", "ln", "log10", "log2", "minute", "month", "rad", "round",
        "sgn", "sin", "sinh", "sqrt", "tan", "tanh", "year",
        "bitmap_and", "bitmap_or", "bitmap_xor",
    }
)  # fmt: skip
"""Functions that change values, but no label except the name."""

GROUPING = frozenset({"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"})
"""Aggregations whose result has one row for each group, which depends only on its members."""
OF_VALUES = frozenset(
    {"count_values", "distinct", "geomean", "mad", "median", "mode", "quantile", "quantiles"}
)
"""Aggregations that need all values of a group at once, but no other property of its members."""

_OF_ANY_SAMPLES = frozenset(
    {"changes", "count_over_time", "first_over_time", "last_over_time", "present_over_time",
     "resets", "ts_of_first_over_time", "ts_of_last_over_time"}
)  # fmt: skip
"""Functions of ranges that accept histograms like floats."""

_NEVER_QUIET = frozenset(
    {"double_exponential_smoothing", "quantile_over_time", "quantiles_over_time:",
     "seasonal_baseline"}
)  # fmt: skip
"""Functions of ranges that may warn about an argument, or reject it."""

_COUNTERS_ONLY = frozenset({"rate", "increase"})
_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


OF_WHOLE_RANGES = frozenset(
    {"absent_over_time", "correlation", "count_values_over_time", "histogram_over_time",
     "stale_samples_over_time"}
)  # fmt: skip
"""Functions of range vectors whose rows are not those of the range, or that are not rollups."""


def source_of(plan: Plan) -> Select | None:
    """Return the selector whose series are the rows of the plan, one for one, or None."""
    below = operand_of(plan)
    while below is not None:
        plan = below
        below = operand_of(plan)
    return plan if isinstance(plan, Select) else None


def operand_of(plan: Plan) -> Plan | None:
    """Return the operand or window with the rows of the plan, which may lack the name."""
    match plan:
        case Window(select=select):
            return select
        case Negate(operand=operand):
            return operand
        case FunctionCall(function=name) if name in OF_WHOLE_RANGES:
            return None
        case FunctionCall(function=name, arguments=arguments):
            for argument in arguments:
                if isinstance(argument, Window):
                    return argument
            return arguments[0] if name in CELL_BY_CELL and arguments else None
        case BinaryOp(left=left, right=right):
            if type_of(right) is ValueType.SCALAR:
                return left
            return right if type_of(left) is ValueType.SCALAR else None
        case _:
            return None


def with_operand(plan: Plan, new: Plan) -> Plan:
    """Return the plan over another operand: the one that `operand_of` returns for it."""
    match plan:
        case Window():
            assert isinstance(new, Select)
            return replace(plan, select=new)
        case Negate():
            return replace(plan, operand=new)
        case FunctionCall(arguments=arguments):
            old = operand_of(plan)
            return replace(plan, arguments=tuple(new if a is old else a for a in arguments))
        case BinaryOp(left=left):
            if operand_of(plan) is left:
                return replace(plan, left=new)
            return replace(plan, right=new)
        case _:
            raise AssertionError(f"{type(plan).__name__} has no operand")


def with_source(plan: Plan, select: Select) -> Plan:
    """Return the plan over another selector: the one that `source_of` returns for it."""
    path = []
    below = operand_of(plan)
    while below is not None:
        path.append(plan)
        plan, below = below, operand_of(below)
    plan = select
    for node in reversed(path):
        plan = with_operand(node, plan)
    return plan


def is_quiet(plan: Plan) -> bool:
    """Whether evaluation can neither fail nor add annotations.

    If so, a rule may omit a part of the plan, or all of it, without a visible difference. Functions
    of values annotate native histograms, so they are quiet only for data without histograms. Series
    of several metrics may be equal without their names, which is an error if names are removed
    early.
    """
    floats_only = False  # whether a node on the way down annotates histograms
    unnamed = False  # whether one removes names
    while True:
        match plan:
            case Select(anchored=True) | Select(smoothed=True):  # not all functions accept these
                return False
            case Select():
                one_name = not unnamed or one_metric(plan)
                return one_name and (plan.floats_only or not floats_only)
            case Constant():
                return True
            case Aggregation(op=op, operand=operand) if op in GROUPING:
                floats_only |= op not in ("count", "group")
                unnamed = False
                plan = operand
            case FunctionCall(function="vector", arguments=(Constant(),)):
                return True
            case FunctionCall(function=name, arguments=arguments):
                below = operand_of(plan)
                if below is None or name in _NEVER_QUIET:
                    return False
                if any(a is not below and not isinstance(a, Constant) for a in arguments):
                    return False
                if name in _COUNTERS_ONLY and not _is_counter(below):
                    return False
                floats_only |= name not in _OF_ANY_SAMPLES and name not in CELL_BY_CELL
                unnamed = True
                plan = below
            case BinaryOp(left=left, right=right):
                if not isinstance(right, Constant):
                    left, right = right, left
                if not isinstance(right, Constant):
                    return False
                floats_only = unnamed = True
                plan = left
            case Negate() | Window():
                below = operand_of(plan)
                assert below is not None
                unnamed |= isinstance(plan, Negate)
                floats_only |= isinstance(plan, Window) and bool(plan.stages)
                plan = below
            case _:
                return False


def _is_counter(window: Plan) -> bool:
    """Whether the selected name has the suffix of a counter."""
    select = source_of(window)
    names = [] if select is None else [m for m in select.matchers if m.name == METRIC_NAME]
    return any(m.op is MatchOp.EQUAL and m.value.endswith(_COUNTER_SUFFIXES) for m in names)


def grouped_labels(plan: Aggregation, matchers: frozenset[Matcher]) -> frozenset[Matcher]:
    """Return the matchers whose labels are labels of the groups."""
    return frozenset(m for m in matchers if (m.name in plan.grouping) is not plan.without)


def one_metric(plan: Plan) -> bool:
    """Whether the rows are series of one metric, and so differ in other labels."""
    select = source_of(plan)
    return select is not None and any(
        m.name == METRIC_NAME and m.op is MatchOp.EQUAL and m.value for m in select.matchers
    )
