"""Sample values as text."""

from __future__ import annotations

import math
from decimal import Decimal

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number_text(value: float) -> str:
    """The shortest decimal that reads back as the same float; `+Inf`, `-Inf`, `NaN`."""
    if math.isfinite(value):
        return repr(value).removesuffix(".0")
    return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"


def short_number(value: float) -> str:
    """For a table: six significant digits, whole numbers below a quadrillion in full."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}" if math.isfinite(value) else number_text(value)


def axis_number(value: float) -> str:
    """For an axis: `1.5k`, `20M`, `0.25`."""
    for size, prefix in _PREFIXES:
        if size <= abs(value) < 1e15:
            return f"{value / size:.4g}{prefix}"
    return f"{value:.4g}"


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
