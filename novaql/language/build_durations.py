"""The duration rules of novaql.lark → `ast.Duration`."""

from __future__ import annotations

from functools import partial

from lark import Token

from novaql.language.ast import (
    Binary,
    Call,
    Duration,
    DurationBinary,
    DurationLiteral,
    DurationName,
    DurationParen,
    DurationQuery,
    DurationReference,
    DurationUnary,
    Expr,
    Number,
    Paren,
)
from novaql.language.durations import in_order, parse_duration, parse_seconds
from novaql.language.fault import Fault
from novaql.language.parsed import NOTED, Children, between, span_of
from novaql.language.precedence import OperatorStack


def nanoseconds_of(token: Token) -> int:
    """Return the duration of a NUMBER (seconds) or a DURATION."""
    if token.type == "DURATION":
        return duration_of(token)
    return parse_seconds(token.value, span_of(token))


def duration_of(token: Token) -> int:
    """Return the nanoseconds of a DURATION."""
    if "." in token.value:
        NOTED.note("a fraction in a duration", span_of(token))
    if not in_order(token.value):
        NOTED.note("the order of units in a duration", span_of(token))
    return parse_duration(token.value, span_of(token))


class DurationBuilder:
    """The grammar rules `duration` and `shift`, and their parts."""

    def duration(self, children: Children) -> Duration:
        stack = OperatorStack[Duration]()
        want_operand = True
        for child in children:
            if not isinstance(child, Token):
                stack.operand(child)
                want_operand = False
            elif child.type in ("NUMBER", "DURATION"):
                stack.operand(DurationLiteral(nanoseconds_of(child), span=span_of(child)))
                want_operand = False
            elif child.type == "INTERVAL":
                NOTED.note("the unit i", span_of(child))
                stack.operand(_steps(child))
                want_operand = False
            elif child.type == "DURATION_NAME":
                NOTED.note(
                    "an automatic window" if child.value == "auto" else "a name in a duration",
                    span_of(child),
                )
                stack.operand(DurationReference(child.value, span=span_of(child)))
                want_operand = False
            elif want_operand:
                stack.sign(partial(_signed, child))
            else:
                op = child.value.lower()
                if op == "atan2":
                    raise Fault("atan2 is not for durations", span_of(child))
                stack.operator(op, partial(_binary, op))
                want_operand = True
        return stack.tree()

    # A shift is a duration of one item.
    shift = duration

    def query_time(self, children: Children) -> Duration:
        word, _, close = children
        return DurationQuery(DurationName(word.value.lower()), span=between(word, close))

    def choice(self, children: Children) -> Duration:
        word, _, left, _, right, close = children
        return DurationBinary(word.value.lower(), left, right, span=between(word, close))

    def duration_paren(self, children: Children) -> Duration:
        opening, inner, closing = children
        return DurationParen(inner, span=between(opening, closing))


def _steps(token: Token) -> Duration:
    """`5i`: a number of steps of the query."""
    span = span_of(token)
    count = DurationLiteral(parse_seconds(token.value[:-1], span), span=span)
    step = DurationQuery(DurationName.STEP, span=span)
    return DurationParen(DurationBinary("*", step, count, span=span), span=span)


def steps_as_number(token: Token) -> Expr:
    """`5i` outside of a duration: the number of steps, in seconds."""
    NOTED.note("the unit i", span_of(token))
    span = span_of(token)
    step = Call("step", (), span=span)
    return Paren(
        Binary("*", step, Number(float(token.value[:-1]), span=span), span=span), span=span
    )


def _signed(sign: Token, operand: Duration) -> Duration:
    span = between(sign, operand)
    if isinstance(operand, DurationLiteral):
        negative = sign.value == "-"
        return DurationLiteral(-operand.nanoseconds if negative else operand.nanoseconds, span=span)
    return DurationUnary(sign.value, operand, span=span)


def _binary(op: str, left: Duration, right: Duration) -> Duration:
    return DurationBinary(op, left, right, span=between(left, right))
