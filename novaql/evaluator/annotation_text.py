"""How messages spell numbers and names: as Go's `%g` and `%q`, since tools compare the texts."""

from __future__ import annotations

import math
from decimal import Decimal


def quote(text: str) -> str:
    """As Go's %q prints a printable text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for raw, shown in (("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        escaped = escaped.replace(raw, shown)
    return f'"{escaped}"'


def go_number(value: float) -> str:
    """As Go's %g: shortest digits, exponent form below 1e-4 and from 1e6.

    >>> [go_number(x) for x in (0.5, 3.0, 1234567.0, 1e-5)]
    ['0.5', '3', '1.234567e+06', '1e-05']
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, power = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(power, int)
    text = "".join(map(str, digits))
    exponent = len(text) + power - 1
    minus = "-" if sign else ""
    if exponent < -4 or exponent >= 6:
        return _scientific(minus, text, exponent)
    if exponent < 0:
        return f"{minus}0.{'0' * (-exponent - 1)}{text}"
    whole, rest = text[: exponent + 1].ljust(exponent + 1, "0"), text[exponent + 1 :]
    return f"{minus}{whole}.{rest}" if rest else f"{minus}{whole}"


def _scientific(minus: str, digits: str, exponent: int) -> str:
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{minus}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def shortest_decimal(value: float) -> str:
    """Shortest digits without an exponent: Go's `FormatFloat(v, 'f', -1, 64)`.

    >>> shortest_decimal(1e21), shortest_decimal(0.1)
    ('1000000000000000000000', '0.1')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
