"""Rules about values: impossible comparisons, shares in per cent, what is never absent."""

from __future__ import annotations

import math
from collections.abc import Iterator

from novaql.language import walk
from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
    DurationLiteral,
    Expr,
    Number,
    Subquery,
    Unary,
)
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import bare, calls

MANY_STEPS = 500_000
"""Evaluations of a subquery at one time."""
NEVER_NEGATIVE = frozenset(
    {
        "rate", "increase", "irate", "changes", "resets", "count_over_time", "present_over_time",
        "stddev_over_time", "stdvar_over_time", "absent", "abs", "exp", "sqrt", "histogram_count",
        "increase_pure", "increase_prometheus", "rate_prometheus", "rate_over_sum",
    }
)  # fmt: skip
SHARES = {
    "histogram_quantile": 0, "quantile_over_time": 0, "quantile": 0, "range_quantile": 0,
    "burn_rate": 1, "error_budget_remaining": 2,
}  # fmt: skip
"""Functions and aggregators that take a number from 0 to 1 → the place of the argument."""
_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}


def impossible_comparison(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Comparisons that no value satisfies: a negative rate, a value above 30 and below 20."""
    del known
    for node in walk(root):
        if not isinstance(node, Binary) or node.op not in _MIRRORED:
            continue
        low, high, below = -math.inf, math.inf, bare(node)
        chain = 0
        open_low = open_high = False
        while isinstance(below, Binary) and not below.return_bool:
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


def _limit(node: Binary) -> tuple[str, float, Expr] | None:
    """Operator, number and other side of a comparison with a number."""
    left, right = _number(node.left), _number(node.right)
    if node.op not in _MIRRORED or (left is None) == (right is None):
        return None
    if right is not None:
        return node.op, right, node.left
    assert left is not None
    return _MIRRORED[node.op], left, node.right


def _number(expr: Expr) -> float | None:
    expr = bare(expr)
    if isinstance(expr, Unary) and isinstance(inner := bare(expr.operand), Number):
        return -inner.value if expr.op == "-" else inner.value
    return expr.value if isinstance(expr, Number) else None


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


def count_of_bool(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """With `bool`, a comparison gives 0 for what does not satisfy it, and count counts these."""
    del known
    for node in walk(root):
        if isinstance(node, Aggregate) and node.op in ("count", "group"):
            inner = bare(node.operand)
            if isinstance(inner, Binary) and inner.return_bool:
                yield Remark(
                    Severity.WARNING,
                    f"{node.op} takes all series, since bool gives 0 for the others",
                    node.span,
                    "leave bool out, or use sum",
                )


def share_out_of_range(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """Quantiles and objectives are from 0 to 1, not per cent."""
    del known
    for node in walk(root):
        match node:
            case Call(function=name, arguments=arguments) if name in SHARES:
                place = SHARES[name]
                share = arguments[place] if place < len(arguments) else None
            case Aggregate(op=name, parameter=share) if name in SHARES:
                pass
            case _:
                continue
        value = None if share is None else _number(share)
        if value is not None and not 0 <= value <= 1:
            yield Remark(
                Severity.ERROR,
                f"{name} takes a number from 0 to 1, not {value:g}",
                node.span,
                f"write {value / 100:g}" if 1 < value <= 100 else None,
            )


def never_absent(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """absent() of what always has a value never gives anything."""
    del known
    for node in calls(root, ("absent",)):
        if _always_there(bare(node.arguments[0])):
            yield Remark(
                Severity.ERROR,
                "this is never absent: a constant is there if nothing else is",
                node.span,
                "leave the constant out",
            )


def _always_there(expr: Expr) -> bool:
    while isinstance(expr, Binary) and expr.op in ("or", "default"):
        right = bare(expr.right)
        if isinstance(right, Number) or _always_there(right):
            return True
        expr = bare(expr.left)
    return isinstance(expr, Call) and expr.function == "vector"


def many_steps(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """A subquery with a long range and a short step is evaluated very often."""
    del known
    for node in walk(root):
        if not isinstance(node, Subquery):
            continue
        length, step = node.range, node.step
        if isinstance(length, DurationLiteral) and isinstance(step, DurationLiteral):
            steps = length.nanoseconds // max(step.nanoseconds, 1)
            if steps > MANY_STEPS:
                yield Remark(
                    Severity.WARNING,
                    f"the subquery evaluates what is inside {steps} times",
                    node.span,
                    "use a longer step, or record what is inside",
                )
