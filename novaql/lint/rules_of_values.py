"""Rules about values: shares in per cent, expressions that are never absent, counts of bool."""

from __future__ import annotations

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
)
from novaql.lint.finding import Remark, Severity
from novaql.lint.knowledge import Knowledge
from novaql.lint.tree import bare, calls, number

MANY_STEPS = 500_000
"""Evaluations of a subquery at one time."""
SHARES = {
    "histogram_quantile": 0, "quantile_over_time": 0, "quantile": 0, "range_quantile": 0,
    "burn_rate": 1, "error_budget_remaining": 2,
}  # fmt: skip
"""Functions and aggregators that take a number from 0 to 1 → the place of the argument."""


def count_of_bool(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """With `bool`, a comparison returns 0 for elements that do not satisfy it, and count counts
    these."""
    del known
    for node in walk(root):
        if isinstance(node, Aggregate) and node.op in ("count", "group"):
            inner = bare(node.operand)
            if isinstance(inner, Binary) and inner.return_bool:
                yield Remark(
                    Severity.WARNING,
                    f"{node.op} takes all series, since bool returns 0 for the others",
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
        value = None if share is None else number(share)
        if value is not None and not 0 <= value <= 1:
            yield Remark(
                Severity.ERROR,
                f"{name} takes a number from 0 to 1, not {value:g}",
                node.span,
                f"write {value / 100:g}" if 1 < value <= 100 else None,
            )


def never_absent(root: Expr, known: Knowledge) -> Iterator[Remark]:
    """absent() of an expression that always has a value is always empty."""
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
