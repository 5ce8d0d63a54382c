"""Functions and aggregators of the registry, applied to trees."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from novaql.errors import ArgumentError
from novaql.expressions.operands import DurationText, duration, is_duration, names, operand
from novaql.language import (
    AGGREGATORS,
    FUNCTIONS,
    Aggregate,
    Aggregator,
    Call,
    Expr,
    MatrixSelector,
    Paren,
    Signature,
    Subquery,
    ValueType,
    VectorSelector,
)
from novaql.language.check import did_you_mean
from novaql.language.lifted import is_lifted
from novaql.language.pipes import operand_place

METHODS: dict[str, Signature | Aggregator] = {
    **{name: row for name, row in FUNCTIONS.items() if row.arguments},
    **AGGREGATORS,
}
"""Every function that takes an argument, and every aggregator."""


def called(name: str, tree: Expr, arguments: Sequence[Any], options: dict[str, Any]) -> Expr:
    """Return a function or an aggregator of `tree` and further arguments, as a pipe puts it in."""
    row = METHODS[name]
    known = {"by", "without", "limit"} if isinstance(row, Aggregator) else {"range"}
    if options.keys() - known:
        raise TypeError(f".{name}() has the keywords {sorted(known)}, not {[*options]}")
    if isinstance(row, Aggregator):
        first = row.parameter is not None and bool(arguments)
        values = (*arguments[:first], tree, *arguments[first:])
        if row.more_first:
            values = (*arguments, tree)
        return aggregated(row, values, **options)
    return _applied(row, tree, arguments, **options)


def _applied(
    row: Signature, tree: Expr, arguments: Sequence[Any], *, range: DurationText | None = None
) -> Expr:
    wants_range = _place_type(row, len(arguments) + 1) is ValueType.MATRIX
    may_be_first = wants_range and range is None and bool(arguments) and not is_range(tree)
    if may_be_first and is_duration(arguments[0]):
        range, arguments = arguments[0], arguments[1:]
    if range is not None:
        if not wants_range:
            raise ArgumentError("range", f"{row.name}() takes no range vector")
        tree = ranged(tree, duration(range))
    place = operand_place(row.name, len(arguments) + 1) or 0
    values = [operand(argument) for argument in arguments]
    return Call(row.name, (*values[:place], tree, *values[place:]))


def _place_type(row: Signature, count: int) -> ValueType:
    return row.argument_type(operand_place(row.name, count) or 0, count)


def aggregated(
    row: Aggregator,
    values: Sequence[Any],
    *,
    by: str | Collection[str] | None = None,
    without: str | Collection[str] | None = None,
    limit: int | None = None,
) -> Aggregate:
    """Return an aggregate of its arguments, in the order of the text."""
    if by is not None and without is not None:
        raise ArgumentError("without", "pass by or without, not both")
    if not row.takes(len(values)):
        form = row.form_of("v")
        raise ArgumentError(row.name, f"has the form {form}, where v is the expression")
    trees = [operand(value) for value in values]
    parameter = None if row.parameter is None else trees.pop(0)
    inner = trees.pop(-1 if row.more_first else 0)
    grouping = names(without if without is not None else by or ())
    return Aggregate(
        row.name, inner, parameter, grouping, without is not None, limit, more=tuple(trees)
    )


def is_range(tree: Expr) -> bool:
    while isinstance(tree, Paren):
        tree = tree.inner
    return isinstance(tree, MatrixSelector | Subquery) or is_lifted(tree)


def ranged(tree: Expr, length: Any) -> Expr:
    """Return an instant vector over a range: of an expression, a subquery with the query's step."""
    if isinstance(tree, VectorSelector):
        return MatrixSelector(tree, length)
    return Subquery(tree, length, implicit=True)


def doc_of(row: Signature | Aggregator) -> str:
    """Return the docstring of a method: form, meaning, example."""
    form = row.form_of("v") if isinstance(row, Aggregator) else f"{row} → {row.returns.value}"
    return f"{form}\n\n{row.doc}\n\nAs text: {row.example}"


def no_such_name(name: str) -> str:
    """Return the message for a name that is in no registry."""
    close = did_you_mean(name, tuple(METHODS))
    return f'no function or aggregator "{name}"{f", {close}" if close else ""}'
