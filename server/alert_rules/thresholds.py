"""The thresholds of a rule: the numbers in the comparisons of its expression."""

from __future__ import annotations

from novaql import QueryError
from novaql.language import Binary, Number, Paren, Unary, parse_core
from novaql.server.alert_rules.schema import ThresholdOut
from novaql.tsdb.runtime.lru_cache import ByteCache

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


_CACHED: ByteCache[tuple[ThresholdOut, ...]] = ByteCache(
    8 << 20, lambda found: 500 * (1 + len(found)), of_text=True
)


def thresholds_of(expr: str) -> tuple[ThresholdOut, ...]:
    """The numbers in the comparisons of an expression, in order; none if it does not parse, as an
    expression that an earlier version stored."""
    found = _CACHED.get(expr)
    if found is None:
        found = _thresholds_in(expr)
        _CACHED.put(expr, found)
    return found


def _thresholds_in(expr: str) -> tuple[ThresholdOut, ...]:
    found: list[ThresholdOut] = []
    try:
        stack = [parse_core(expr)]
    except QueryError:
        return ()
    while stack:
        node = stack.pop()
        if isinstance(node, Paren):
            stack.append(node.inner)
        if not isinstance(node, Binary):
            continue
        if str(node.op) in _COMPARISONS:
            number = _number(node.right)
            if number is not None:
                found.append(ThresholdOut(op=str(node.op), value=number))
                continue
        stack += [node.right, node.left]
    return tuple(found)


def _number(node: object) -> float | None:
    if isinstance(node, Unary) and isinstance(node.operand, Number):
        return -float(node.operand.value)
    return float(node.value) if isinstance(node, Number) else None
