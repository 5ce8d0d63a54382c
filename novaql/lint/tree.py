"""Functions of syntax trees that several rules use."""

from __future__ import annotations

from collections.abc import Container, Iterator

from novaql.language import AGGREGATORS, walk
from novaql.language.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    MatrixSelector,
    Number,
    Paren,
    Unary,
    VectorSelector,
)
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.matchers import Matcher, MatchOp

_MAKING_LABELS = frozenset(
    {
        "aggr_over_time", "count_values_over_time", "histogram_over_time", "histogram_quantiles",
        "info", "label_copy", "label_join", "label_map", "label_move", "label_replace",
        "label_set", "label_transform", "prometheus_buckets", "quantiles_over_time", "rollup",
        "rollup_candlestick", "rollup_delta", "rollup_deriv", "rollup_increase", "rollup_rate",
        "rollup_scrape_interval",
    }
)  # fmt: skip


def bare(expr: Expr) -> Expr:
    """The expression without parentheses around it."""
    while isinstance(expr, Paren):
        expr = expr.inner
    return expr


def number(expr: Expr) -> float | None:
    """The number in an expression that is one, with its sign, or None."""
    expr = bare(expr)
    if isinstance(expr, Unary) and isinstance(inner := bare(expr.operand), Number):
        return -inner.value if expr.op == "-" else inner.value
    return expr.value if isinstance(expr, Number) else None


def selectors(expr: Expr) -> Iterator[VectorSelector]:
    """All selectors in an expression, those of ranges included, each once."""
    for node in walk(expr):
        if isinstance(node, VectorSelector):
            yield node


def all_matchers(selector: VectorSelector) -> list[Matcher]:
    """The matchers in braces, in the order of the text, those of alternatives included, each
    once."""
    every = [*selector.matchers, *(m for one in selector.alternatives for m in one)]
    return list(dict.fromkeys(every))


def metric_of(selector: VectorSelector) -> str | None:
    """The one metric that a selector names, or None."""
    if selector.name is not None:
        return selector.name
    for matcher in selector.matchers:
        if matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL:
            return matcher.value
    return None


def calls(expr: Expr, functions: Container[str]) -> Iterator[Call]:
    """All calls of some functions in an expression."""
    for node in walk(expr):
        if isinstance(node, Call) and node.function in functions:
            yield node


def metric_of_range(call: Call) -> str | None:
    """The one metric of the range selector that a call reads, or None."""
    window = range_of(call)
    return None if window is None else metric_of(window.selector)


def range_of(call: Call) -> MatrixSelector | None:
    """Return the range selector that a call reads; None: a subquery, or no range."""
    for argument in call.arguments:
        node = bare(argument)
        if isinstance(node, MatrixSelector):
            return node
    return None


def makes_labels(node: Expr) -> bool:
    """Whether elements may have labels that no series below has."""
    match node:
        case Call(function="histogram_quantile", arguments=arguments):
            return len(arguments) > 2
        case Call(function=name):
            return name in _MAKING_LABELS
        case Aggregate(op=op, more=more):
            return op in ("count_values", "histogram", "quantiles") or bool(more)
        case Binary(matching=matching):
            return bool(matching.include) or bool(matching.prefix)
        case _:
            return False


Labels = frozenset[str] | None
"""The only labels that elements can have; None: any."""


def labels_left(root: Expr) -> dict[int, Labels]:
    """For each node of a tree, by `id`, the labels that elements of its result can have.

    From the leaves up and without recursion: a sum of ten thousand terms is a deep tree.
    """
    found: dict[int, Labels] = {}
    for node in reversed(list(walk(root))):
        found[id(node)] = _labels_of(node, found)
    return found


def _labels_of(node: Expr, below: dict[int, Labels]) -> Labels:
    if makes_labels(node):
        return None
    match node:
        case Paren(inner=inner):
            return below[id(inner)]
        case Aggregate(op=op, operand=operand) if AGGREGATORS[op].returns_input_series:
            return below[id(operand)]
        case Aggregate(without=without, grouping=grouping, operand=operand):
            labels, named = below[id(operand)], frozenset(grouping)
            if without:
                return None if labels is None else labels - named
            return named if labels is None else named & labels
        case Unary(operand=operand):
            return below[id(operand)]
        case Binary(op="or" | "default"):
            return None
        case Binary(matching=matching, left=left) if matching.cardinality in (
            Cardinality.ONE_TO_ONE,
            Cardinality.MANY_TO_MANY,
        ):
            return below[id(left)]
        case Call(function="scalar" | "absent"):
            return None
        case Call(function="vector"):
            return frozenset()
        case Call(arguments=(only,)) if not isinstance(bare(only), MatrixSelector):
            return below[id(only)]
        case _:
            return None
