"""The numbers that the comparisons of a rule's expression compare with."""

from __future__ import annotations

from functools import lru_cache

from novaql.language import parse
from novaql.language.ast import Binary, Number, Paren, Unary
from novaql.server.alert_rules.schema import ThresholdOut

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def thresholds_of(expr: str) -> list[ThresholdOut]:
    """The numbers that the comparisons of an expression compare with, in their order."""
    return [ThresholdOut(op=op, value=value) for op, value in _comparisons(expr)]


@lru_cache(maxsize=4096)
def _comparisons(expr: str) -> tuple[tuple[str, float], ...]:
    found: list[tuple[str, float]] = []
    waiting = [parse(expr)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Paren):
            waiting.append(node.inner)
        if not isinstance(node, Binary):
            continue
        if str(node.op) in _COMPARISONS:
            number = _number(node.right)
            if number is not None:
                found.append((str(node.op), number))
                continue
        waiting += [node.right, node.left]
    return tuple(found)


def _number(node: object) -> float | None:
    if isinstance(node, Unary) and isinstance(node.operand, Number):
        return -float(node.operand.value)
    return float(node.value) if isinstance(node, Number) else None
