"""Rules about comparisons with a number: those that no value satisfies, or that mean a share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from novaql.language import walk
from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    VectorSelector,
)
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import bare, metric_of, number

NEVER_NEGATIVE = frozenset(
    {
        "rate", "increase", "irate", "changes", "resets", "count_over_time", "present_over_time",
        "stddev_over_time", "stdvar_over_time", "absent", "abs", "exp", "sqrt", "histogram_count",
        "increase_pure", "increase_prometheus", "rate_prometheus", "rate_over_sum",
    }
)  # fmt: skip
NEVER_ZERO = frozenset({"absent", "absent_over_time", "count_over_time", "present_over_time"})
EXTRAPOLATED = frozenset({"rate", "increase", "irate", "deriv"})
CALENDAR = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_week": (0, 6),
    "day_of_month": (1, 31),
    "day_of_year": (1, 366),
    "days_in_month": (28, 31),
    "month": (1, 12),
}
"""Function of time → its least and greatest value."""
_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_PARTS = frozenset({"avail", "available", "free", "used", "usage", "open", "inuse"})
_WHOLES = frozenset({"size", "total", "max", "limit", "capacity"})
_CHAIN = 20
"""Limit of the comparisons of one value that are combined: `x > 1 < 5 …`."""
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")


def impossible_comparison(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Comparisons that no value satisfies: a negative rate, a value above 30 and below 20."""
    del known
    for node in walk(root):
        if not isinstance(node, Binary) or node.op not in _MIRRORED:
            continue
        low, high, below = -math.inf, math.inf, bare(node)
        chain = 0
        open_low = open_high = False
        while isinstance(below, Binary) and not below.return_bool and chain < _CHAIN:
            limit = _limit(below)
            if limit is None:
                break
            op, value, operand = limit
            if op in (">", ">=", "==") and value >= low:
                low, open_low = value, op == ">" or (open_low and value == low)
            if op in ("<", "<=", "==") and value <= high:
                high, open_high = value, op == "<" or (open_high and value == high)
            if op == "==" and not low <= value <= high:
                low, high = 1, 0
            chain += 1
            below = bare(operand)
        if chain and _is_never_negative(below) and low < 0:
            low, open_low = 0.0, False
        if low > high or (low == high and (open_low or open_high)):
            yield Remark(Severity.ERROR, "no value satisfies this comparison", node.span)


def never_zero(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A count without elements is absent instead of 0, so that no comparison is satisfied."""
    del known
    for node, op, value, operand in _limits(root):
        counted = _counted(operand)
        if counted is None or _exists(op, value, 1, math.inf) or not _exists(op, value, 0, 1):
            continue  # below 0: an impossible comparison
        yield Remark(
            Severity.ERROR,
            f"{counted} is 1 or more, or there is no element: it is never 0",
            node.span,
            "leave absent out: the selector alone is there or not"
            if counted == "absent"
            else "write absent(…), or default 0 before the comparison",
        )


def _counted(expr: Expr) -> str | None:
    """The function by which values are 1 or more, or None."""
    match bare(expr):
        case Call(function=name) if name in NEVER_ZERO:
            return name
        case Aggregate(op="count" | "group" | "distinct" as op):
            return op
        case Aggregate(op="sum" | "avg" | "min" | "max", operand=operand):
            return _counted(operand)
        case _:
            return None


def beyond_calendar(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Hours end at 23, Sunday is 0, January is 1."""
    del known
    for node, op, value, operand in _limits(root):
        call = bare(operand)
        if not isinstance(call, Call) or call.function not in CALENDAR:
            continue
        least, greatest = CALENDAR[call.function]
        if not _exists(op, value, least, greatest):
            sunday = " (Sunday is 0)" if call.function == "day_of_week" else ""
            yield Remark(
                Severity.ERROR,
                f"{call.function} is from {least} to {greatest}{sunday}: "
                f"it is never {op} {value:g}",
                node.span,
            )


def exact_rate(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """An increase is extrapolated to the edges of its window, and is rarely a whole number."""
    del known
    for node, op, value, operand in _limits(root):
        inner = bare(operand)
        while isinstance(inner, Aggregate) and inner.op in ("sum", "avg", "min", "max"):
            inner = bare(inner.operand)
        if (
            op in ("==", "!=")
            and value != 0
            and isinstance(inner, Call)
            and inner.function in EXTRAPOLATED
        ):
            yield Remark(
                Severity.WARNING,
                f"{inner.function} is extrapolated, and hardly ever {value:g} to the last digit",
                node.span,
                "compare with < or >, or round(…) it first",
            )


def ratio_in_per_cent(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A part divided by the whole is from 0 to 1: 5 per cent of it is 0.05."""
    del known
    for node, op, value, operand in _limits(root):
        share = bare(operand)
        if isinstance(share, Binary) and share.op == "-" and number(share.left) == 1:
            share = bare(share.right)
        if value <= 1 or op == "!=" or not (isinstance(share, Binary) and share.op == "/"):
            continue
        is_part = _is_part(share.left, share.right)
        if is_part or _is_named_part(share.left, share.right):
            always = "always" if op in ("<", "<=") else "never"
            yield Remark(
                Severity.ERROR if is_part else Severity.WARNING,
                f"this share is from 0 to 1, and {always} {op} {value:g}",
                node.span,
                f"write {value / 100:g}, or multiply the share by 100" if value <= 100 else None,
            )


def _is_part(part: Expr, whole: Expr) -> bool:
    """Whether both are the same sum or count, the first of fewer series."""
    match bare(part), bare(whole):
        case Aggregate(op="count" | "sum" as op) as one, Aggregate() as other if op == other.op:
            groups = (
                one.grouping == other.grouping
                if one.without or other.without
                else set(other.grouping) <= set(one.grouping)
            )
            inner = bare(one.operand)
            if op == "count" and isinstance(inner, Binary) and not inner.return_bool:
                inner = inner if (limit := _limit(inner)) is None else limit[2]
            return one.without == other.without and groups and _is_narrower(inner, other.operand)
        case _:
            return False


def _is_narrower(part: Expr, whole: Expr) -> bool:
    """Whether both are the same function of the same metric, the first with more matchers."""
    match bare(part), bare(whole):
        case Call(function="rate" | "increase" | "irate" as name, arguments=(one,)), Call(
            arguments=(other,)
        ) as call:
            return name == call.function and _is_narrower(one, other)
        case MatrixSelector() as one, MatrixSelector() as other:
            return one.range == other.range and _is_narrower(one.selector, other.selector)
        case VectorSelector() as one, VectorSelector() as other:
            return (
                (one.name, one.offset, one.at) == (other.name, other.offset, other.at)
                and one.alternatives == other.alternatives
                and set(one.matchers) >= set(other.matchers)
            )
        case _:
            return False


def _is_named_part(part: Expr, whole: Expr) -> bool:
    """Whether the names imply it: `x_free_bytes` and `x_size_bytes`."""
    one, other = _words(part), _words(whole)
    return bool(_PARTS & one) and one - _PARTS == other - _WHOLES and not _PARTS & other


def _words(expr: Expr) -> frozenset[str]:
    """Words in the name of a selector, below aggregations: "Mem", "Free" → mem, free."""
    inner = bare(expr)
    while isinstance(inner, Aggregate) and inner.op in ("sum", "avg", "min", "max"):
        inner = bare(inner.operand)
    name = metric_of(inner) if isinstance(inner, VectorSelector) else None
    return frozenset(word.lower() for word in _WORD.findall(name or ""))


def _limits(root: Expr) -> Iterator[tuple[Binary, str, float, Expr]]:
    """All comparisons with a number: with operator, number and other side."""
    for node in walk(root):
        if isinstance(node, Binary) and (limit := _limit(node)) is not None:
            yield node, *limit


def _limit(node: Binary) -> tuple[str, float, Expr] | None:
    """Operator, number and other side of a comparison with a number."""
    left, right = number(node.left), number(node.right)
    if node.op not in _MIRRORED or (left is None) == (right is None):
        return None
    if right is not None:
        return node.op, right, node.left
    assert left is not None
    return _MIRRORED[node.op], left, node.right


def _exists(op: str, value: float, least: float, greatest: float) -> bool:
    """Whether a number from `least` to `greatest` satisfies the comparison."""
    match op:
        case ">":
            return greatest > value
        case ">=":
            return greatest >= value
        case "<":
            return least < value
        case "<=":
            return least <= value
        case "==":
            return least <= value <= greatest
        case _:
            return True


def _is_never_negative(expr: Expr) -> bool:
    match expr:
        case Call(function=name):
            return name in NEVER_NEGATIVE
        case Aggregate(op="count" | "group" | "stddev" | "stdvar" | "distinct"):
            return True
        case Aggregate(op="sum" | "avg" | "min" | "max", operand=operand):
            return _is_never_negative(bare(operand))
        case _:
            return False
