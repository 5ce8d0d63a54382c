"""Durations: `1h30m` to nanoseconds and back."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal

from novaql.language.fault import Fault, brief
from novaql.language.literals import parse_number
from novaql.span import Span

NANOSECONDS_PER_MS = 1_000_000
_MAX_INT64 = 2**63 - 1

# In milliseconds, the longest first, which is the order in which they must be written.
UNITS: dict[str, int] = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_ORDER = {unit: rank for rank, unit in enumerate(UNITS)}
_EXACT_ONLY = ("y", "w")  # 8d is 8d, not 1w1d
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdwy])")


def parse_duration(text: str, span: Span) -> int:
    """Nanoseconds of `1h30m` or `1.5h`: each unit at most once.

    Raises `Fault` for a repeated unit, or more than 292 years.
    """
    total_ns = 0
    units = set()
    for found in _PART.finditer(text):
        unit = found[2]
        if unit in units:
            raise Fault(f"the unit {unit} appears twice in the duration {brief(text)}", span)
        units.add(unit)
        if len(found[1]) > 20:
            raise _too_long(text, span)
        each = UNITS[unit] * NANOSECONDS_PER_MS
        if "." in found[1]:
            total_ns += int((Decimal(found[1]) * each).to_integral_value(ROUND_HALF_UP))
        else:
            total_ns += int(found[1]) * each
    if total_ns > _MAX_INT64:
        raise _too_long(text, span)
    return total_ns


def in_order(text: str) -> bool:
    """Whether the longest unit of a duration comes first, and so on, as PromQL requires."""
    ranks = [_ORDER[found[2]] for found in _PART.finditer(text)]
    return ranks == sorted(ranks)


def parse_seconds(text: str, span: Span) -> int:
    """Nanoseconds of a plain number of seconds, `300` or `0.5`."""
    nanoseconds = scaled(text, span, 1_000_000_000)
    if nanoseconds is None or nanoseconds > _MAX_INT64:
        raise _too_long(text, span)
    return nanoseconds


_PLAIN_DECIMAL = re.compile(r"(?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?|\.[0-9_]+")


def scaled(text: str, span: Span, factor: int) -> int | None:
    """A number literal times a factor, halves rounded up; None if it is not finite.

    Exact for plain decimals, so that printed times read back as they were.
    """
    if _PLAIN_DECIMAL.fullmatch(text) and len(text) < 60:
        product = Decimal(text.replace("_", "")) * factor
        return int(product.to_integral_value(ROUND_HALF_UP))
    product_float = parse_number(text, span) * factor
    return math.floor(product_float + 0.5) if math.isfinite(product_float) else None


def _too_long(text: str, span: Span) -> Fault:
    return Fault(f"the duration {brief(text)} is longer than 292 years", span)


def format_duration(milliseconds: int) -> str:
    """`1h30m`, `-5m`, `0s`. Years and weeks only without a remainder."""
    if milliseconds == 0:
        return "0s"
    rest = abs(milliseconds)
    parts = ["-"] if milliseconds < 0 else []
    for unit, size in UNITS.items():
        if rest < size or (unit in _EXACT_ONLY and rest % size):
            continue
        count, rest = divmod(rest, size)
        parts.append(f"{count}{unit}")
    return "".join(parts)


def format_nanoseconds(nanoseconds: int) -> str:
    """Return whole milliseconds as a duration, others as seconds (`0.0000005`)."""
    milliseconds, rest = divmod(nanoseconds, NANOSECONDS_PER_MS)
    if not rest:
        return format_duration(milliseconds)
    sign = "-" if nanoseconds < 0 else ""
    seconds, fraction = divmod(abs(nanoseconds), 1_000_000_000)
    return f"{sign}{seconds}.{fraction:09d}".rstrip("0")
