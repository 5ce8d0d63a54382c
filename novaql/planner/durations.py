"""Durations of a query → milliseconds."""

from __future__ import annotations

import math
from typing import assert_never

from novaql.errors import TypeProblem
from novaql.language.ast import (
    Duration,
    DurationBinary,
    DurationLiteral,
    DurationName,
    DurationParen,
    DurationQuery,
    DurationReference,
    DurationUnary,
)

MAX_NS = 2**63 - 1


class Durations:
    """Evaluates durations of one query; `text` is for messages.

    step_ms, range_ms: step and length of the query, 0 for an instant query.
    """

    def __init__(self, text: str, step_ms: int, range_ms: int) -> None:
        self._text, self._step_ms, self._range_ms = text, step_ms, range_ms
        self.depends_on_query = False
        """Whether a duration contained `step()` or `range()`."""

    def offset_ms(self, duration: Duration | None) -> int:
        return 0 if duration is None else self._whole_ms(duration)

    def positive_ms(self, duration: Duration, what: str) -> int:
        ms = self._whole_ms(duration)
        if ms <= 0:
            instant = self._step_ms == 0 and _contains_step_or_range(duration)
            raise TypeProblem(
                f"{what} must be greater than 0",
                self._text,
                duration.span,
                suggestion="the step and the range of an instant query are 0" if instant else None,
            )
        return ms

    def _whole_ms(self, duration: Duration) -> int:
        if isinstance(duration, DurationLiteral):
            ns: float = duration.nanoseconds
        else:
            ns = self._seconds(duration) * 1e9
        if not math.isfinite(ns) or abs(ns) > MAX_NS:
            raise TypeProblem("duration out of range", self._text, duration.span)
        return _truncated(int(ns))

    def _seconds(self, duration: Duration) -> float:
        match duration:
            case DurationLiteral(nanoseconds=ns):
                return ns / 1e9
            case DurationQuery(name=name):
                self.depends_on_query = True
                ms = self._step_ms if name is DurationName.STEP else self._range_ms
                return ms / 1000
            case DurationParen(inner=inner):
                return self._seconds(inner)
            case DurationUnary(op=op, operand=operand):
                value = self._seconds(operand)
                return -value if op == "-" else value
            case DurationBinary():
                return self._binary(duration)
            case DurationReference():
                raise AssertionError("names are expanded first")
            case _:
                assert_never(duration)

    def _binary(self, node: DurationBinary) -> float:
        left, right = self._seconds(node.left), self._seconds(node.right)
        match node.op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/" | "%" if right == 0:
                what = "division" if node.op == "/" else "modulo"
                raise TypeProblem(f"{what} by zero in a duration", self._text, node.span)
            case "/":
                return left / right
            case "%":
                return math.fmod(left, right)
            case "^":
                try:
                    value = math.pow(left, right)
                except (OverflowError, ValueError):
                    raise TypeProblem("duration out of range", self._text, node.span) from None
                return value
            case "min_of":
                return min(left, right)
            case "max_of":
                return max(left, right)
            case _:
                raise AssertionError(node.op)


def _contains_step_or_range(duration: Duration) -> bool:
    match duration:
        case DurationQuery():
            return True
        case DurationParen(inner=inner) | DurationUnary(operand=inner):
            return _contains_step_or_range(inner)
        case DurationBinary(left=left, right=right):
            return _contains_step_or_range(left) or _contains_step_or_range(right)
        case _:
            return False


def _truncated(ns: int) -> int:
    return -(-ns // 1_000_000) if ns < 0 else ns // 1_000_000
