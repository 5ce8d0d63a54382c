"""Strings, numbers and label sets as Go prints them: messages equal Prometheus's to the letter."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal

_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f\ud800-\udfff]*')
_NAMED = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t",
          "\v": r"\v", "\\": r"\\", '"': r"\""}  # fmt: skip


def quote(text: str) -> str:
    """A double-quoted literal of the text; bytes that are no UTF-8 become `\\xff` (Go's `%q`)."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return character


def label_text(labels: Mapping[str, str]) -> str:
    """`{__name__="m", a="b"}`, as Prometheus prints a label set in errors."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels.items()) + "}"


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
