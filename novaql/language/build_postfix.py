"""Postfix syntax: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`."""

from __future__ import annotations

from dataclasses import replace

from lark import Token

from novaql.language.ast import (
    Aggregate,
    At,
    AtEdge,
    Binary,
    Call,
    Duration,
    DurationLiteral,
    Expr,
    MatrixSelector,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from novaql.language.build_durations import duration_of
from novaql.language.build_extensions import limit_of
from novaql.language.durations import NANOSECONDS_PER_MS, scaled
from novaql.language.fault import Fault
from novaql.language.parsed import NOTED, Children, between, span_of
from novaql.span import Span


class PostfixBuilder:
    """Rules `range`, `subquery`, `offset`, `at`, `moment`, `extended`, `retain_names`, `limit`."""

    def range(self, children: Children) -> Expr:
        operand, opening, length, close = children
        if not isinstance(operand, VectorSelector):
            if isinstance(operand, MatrixSelector | Subquery | Number | Text):
                raise _range_misplaced(operand, between(opening, close))
            NOTED.note("a range of an expression", between(opening, close))
            _check_positive(length, "a range")
            return Subquery(operand, length, implicit=True, span=between(operand, close))
        if operand.offset is not None or operand.at is not None:
            word = "offset" if operand.offset is not None else "@"
            raise Fault(
                f"{word} is before the range",
                between(operand, close),
                suggestion=f"write the range first: name[5m] {word} …",
            )
        _check_positive(length, "a range")
        return MatrixSelector(operand, length, span=between(operand, close))

    def subquery(self, children: Children) -> Expr:
        operand, _, length, _, *step, close = children
        _check_positive(length, "a range")
        if step:
            _check_positive(step[0], "a step")
        return Subquery(operand, length, step[0] if step else None, span=between(operand, close))

    def offset(self, children: Children) -> Expr:
        operand, word, shift = children
        if not _takes_shifts(operand):
            return _shifted(operand, "offset", between(word, shift), offset=shift)
        target = _target(operand)
        _check_no_offset(target.offset, span_of(word))
        return _put(replace(target, offset=shift), operand, between(operand, shift))

    def at(self, children: Children) -> Expr:
        operand, sign, moment = children
        if not _takes_shifts(operand):
            return _shifted(operand, "@", between(sign, moment), at=moment)
        target = _target(operand)
        if target.at is not None:
            raise Fault("@ is given twice", span_of(sign))
        return _put(replace(target, at=moment), operand, between(operand, moment))

    def moment(self, children: Children) -> At:
        span = between(children[0], children[-1])
        if children[0].type == "EDGE":
            return At(AtEdge(children[0].value.lower()), span=span)
        if children[0].type == "LPAR":
            return _sum_of_times(children[1:-1], span)
        milliseconds = _milliseconds(children[-1], span)
        return At(-milliseconds if children[0].value == "-" else milliseconds, span=span)

    def retain_names(self, children: Children) -> Expr:
        operand, word = children
        NOTED.note("keep_metric_names", span_of(word))
        inner = operand
        while isinstance(inner, Paren):
            inner = inner.inner
        if not isinstance(inner, Call | Binary | Unary):
            raise Fault(
                "keep_metric_names must follow a function or an operation in parentheses",
                span_of(word),
                suggestion="as in rate(m[5m]) keep_metric_names",
            )
        return RetainNames(operand, span=between(operand, word))

    def limit(self, children: Children) -> Expr:
        operand, word, number = children
        NOTED.note("limit", span_of(word))
        if not isinstance(operand, Aggregate):
            raise Fault(
                "limit must follow an aggregation",
                between(word, number),
                suggestion="as in sum by (pod) (m) limit 10",
            )
        if operand.limit is not None:
            raise Fault("limit is given twice", span_of(word))
        return replace(operand, limit=limit_of(number), span=between(operand, number))

    def extended(self, children: Children) -> Expr:
        operand, word = children
        span = between(operand, word)
        match operand:
            case VectorSelector():
                return replace(_extended(operand, word), span=span)
            case MatrixSelector(selector=selector):
                return replace(operand, selector=_extended(selector, word), span=span)
            case _:
                raise Fault(
                    f"{word.value.lower()} must follow a selector or a range",
                    span_of(word),
                    suggestion=f"as in name[5m] {word.value.lower()}",
                )


def _milliseconds(token: Token, span: Span) -> int:
    if token.type == "DURATION":
        return duration_of(token) // NANOSECONDS_PER_MS
    milliseconds = scaled(token.value, span_of(token), 1000)
    if milliseconds is None or milliseconds >= 2**63:
        raise Fault("the time after @ is out of range", span)
    return milliseconds


def _sum_of_times(children: Children, span: Span) -> At:
    """`(end() - 1h)`: numbers and durations, and start() or end() once."""
    NOTED.note("arithmetic after @", span)
    edge: AtEdge | None = None
    milliseconds, negative = 0, False
    for token in children:
        match token.type:
            case "SIGN":
                negative = token.value == "-"
            case "EDGE":
                if edge is not None or negative:
                    raise Fault("start() or end() can be added once", span_of(token))
                edge = AtEdge(token.value.lower())
            case "NUMBER" | "DURATION":
                value = _milliseconds(token, span)
                milliseconds += -value if negative else value
    if abs(milliseconds) >= 2**63:
        raise Fault("the time after @ is out of range", span)
    return At(milliseconds, span=span) if edge is None else At(edge, milliseconds, span=span)


def _takes_shifts(operand: Expr) -> bool:
    """Whether the operand is a node that has an offset and `@` itself."""
    return isinstance(operand, VectorSelector | MatrixSelector | Subquery)


def _shifted(
    operand: Expr,
    modifier: str,
    span: Span,
    *,
    offset: Duration | None = None,
    at: At | None = None,
) -> Shifted:
    """`offset` or `@` after an expression that is not a selector."""
    if isinstance(operand, Number | Text):
        raise Fault(f"{modifier} cannot follow a literal", span, suggestion="remove it")
    NOTED.note(f"{modifier} behind an expression", span)
    whole = Span(operand.span.start, span.end)
    if not isinstance(operand, Shifted):
        return Shifted(operand, offset, at, span=whole)
    if offset is not None:
        _check_no_offset(operand.offset, span)
        return replace(operand, offset=offset, span=whole)
    if operand.at is not None:
        raise Fault("@ is given twice", span)
    return replace(operand, at=at, span=whole)


def _extended(selector: VectorSelector, word: Token) -> VectorSelector:
    anchored = word.value.lower() == "anchored"
    if selector.smoothed if anchored else selector.anchored:
        raise Fault("anchored and smoothed exclude each other", span_of(word))
    return replace(selector, anchored=True) if anchored else replace(selector, smoothed=True)


def _check_positive(duration: Duration, what: str) -> None:
    """Return the value of a literal; the value of an expression is unknown until the query runs."""
    if isinstance(duration, DurationLiteral) and duration.nanoseconds <= 0:
        raise Fault(f"{what} must be longer than 0", duration.span)


def _check_no_offset(given: Duration | None, span: Span) -> None:
    # As in Prometheus, an offset of 0 may be overwritten.
    if given is not None and not (isinstance(given, DurationLiteral) and given.nanoseconds == 0):
        raise Fault("offset is given twice", span)


def _target(operand: Expr) -> VectorSelector | Subquery:
    """The node that has the offset and `@` of an operand: of a range, its selector."""
    target = operand.selector if isinstance(operand, MatrixSelector) else operand
    assert isinstance(target, VectorSelector | Subquery)
    return target


def _put(target: VectorSelector | Subquery, operand: Expr, span: Span) -> Expr:
    """The operand with a modified target."""
    if isinstance(operand, MatrixSelector):
        assert isinstance(target, VectorSelector)
        return replace(operand, selector=target, span=span)
    return replace(target, span=span)


def _range_misplaced(operand: Expr, span: Span) -> Fault:
    if isinstance(operand, MatrixSelector | Subquery):
        return Fault("this has a range already", span)
    return Fault("a range cannot follow a literal", span, suggestion="remove it")
