"""The duration rules of promql.lark → `ast.Duration`."""

from __future__ import annotations

from functools import partial

from lark import Token

from novaql.language.ast import (
    Duration,
    DurationBinary,
    DurationLiteral,
    DurationName,
    DurationParen,
    DurationQuery,
    DurationUnary,
)
from novaql.language.durations import parse_duration, parse_seconds
from novaql.language.fault import Fault
from novaql.language.parsed import Children, between, span_of
from novaql.language.precedence import OperatorStack


def nanoseconds_of(token: Token) -> int:
    """Return the duration of a NUMBER (seconds) or a DURATION."""
    read = parse_duration if token.type == "DURATION" else parse_seconds
    return read(token.value, span_of(token))


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


def _signed(sign: Token, operand: Duration) -> Duration:
    span = between(sign, operand)
    if isinstance(operand, DurationLiteral):
        negative = sign.value == "-"
        return DurationLiteral(-operand.nanoseconds if negative else operand.nanoseconds, span=span)
    return DurationUnary(sign.value, operand, span=span)


def _binary(op: str, left: Duration, right: Duration) -> Duration:
    return DurationBinary(op, left, right, span=between(left, right))
