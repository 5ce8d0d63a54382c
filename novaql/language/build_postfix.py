"""Postfix syntax: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`."""

from __future__ import annotations

from dataclasses import replace

from lark import Token

from novaql.language.ast import (
    At,
    AtEdge,
    Duration,
    DurationLiteral,
    Expr,
    MatrixSelector,
    Subquery,
    VectorSelector,
)
from novaql.language.durations import NANOSECONDS_PER_MS, parse_duration, scaled
from novaql.language.fault import Fault
from novaql.language.parsed import Children, between, span_of
from novaql.span import Span


class PostfixBuilder:
    """Rules `range`, `subquery`, `offset`, `at`, `moment` and `extended`."""

    def range(self, children: Children) -> Expr:
        operand, _, length, close = children
        if not isinstance(operand, VectorSelector):
            raise _range_misplaced(operand, between(children[1], close))
        if operand.offset is not None or operand.at is not None:
            word = "offset" if operand.offset is not None else "@"
            raise Fault(
                f"{word} stands before the range",
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
        target = _modified(operand, "offset", between(word, shift))
        _check_no_offset(target.offset, word)
        return _put(replace(target, offset=shift), operand, between(operand, shift))

    def at(self, children: Children) -> Expr:
        operand, sign, moment = children
        target = _modified(operand, "@", between(sign, moment))
        if target.at is not None:
            raise Fault("@ is given twice", span_of(sign))
        return _put(replace(target, at=moment), operand, between(operand, moment))

    def moment(self, children: Children) -> At:
        span = between(children[0], children[-1])
        if children[0].type == "EDGE":
            return At(AtEdge(children[0].value.lower()), span=span)
        token = children[-1]
        if token.type == "DURATION":
            milliseconds = parse_duration(token.value, span_of(token)) // NANOSECONDS_PER_MS
        else:
            scaled_up = scaled(token.value, span_of(token), 1000)
            if scaled_up is None or scaled_up >= 2**63:
                raise Fault("the time after @ is out of range", span)
            milliseconds = scaled_up
        return At(-milliseconds if children[0].value == "-" else milliseconds, span=span)

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


def _extended(selector: VectorSelector, word: Token) -> VectorSelector:
    anchored = word.value.lower() == "anchored"
    if selector.smoothed if anchored else selector.anchored:
        raise Fault("anchored and smoothed exclude each other", span_of(word))
    return replace(selector, anchored=True) if anchored else replace(selector, smoothed=True)


def _check_positive(duration: Duration, what: str) -> None:
    """Return the value of a literal; the value of an expression is unknown until the query runs."""
    if isinstance(duration, DurationLiteral) and duration.nanoseconds <= 0:
        raise Fault(f"{what} must be longer than 0", duration.span)


def _check_no_offset(given: Duration | None, word: Token) -> None:
    # As in Prometheus, an offset of 0 may be overwritten.
    if given is not None and not (isinstance(given, DurationLiteral) and given.nanoseconds == 0):
        raise Fault("offset is given twice", span_of(word))


def _modified(operand: Expr, modifier: str, span: Span) -> VectorSelector | Subquery:
    """The node that has the offset and `@` of an operand: of a range, its selector."""
    target = operand.selector if isinstance(operand, MatrixSelector) else operand
    if isinstance(target, VectorSelector | Subquery):
        return target
    raise Fault(
        f"{modifier} must follow a selector, a range or a subquery",
        span,
        suggestion=f"write it behind the metric name inside: name {modifier} …",
    )


def _put(target: VectorSelector | Subquery, operand: Expr, span: Span) -> Expr:
    """The operand with a modified target."""
    if isinstance(operand, MatrixSelector):
        assert isinstance(target, VectorSelector)
        return replace(operand, selector=target, span=span)
    return replace(target, span=span)


def _range_misplaced(operand: Expr, span: Span) -> Fault:
    if isinstance(operand, MatrixSelector | Subquery):
        return Fault("this has a range already", span)
    return Fault(
        "a range can stand only behind a selector",
        span,
        suggestion="for the past values of an expression write a subquery, as in (…)[5m:]",
    )
