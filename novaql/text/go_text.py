"""Strings, numbers and label sets as Go prints them: messages are exactly those of Prometheus."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from novaql.text.numbers import number_text

_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f\ud800-\udfff]*')
_NAMED = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t",
          "\v": r"\v", "\\": r"\\", '"': r"\""}  # fmt: skip
PLACEHOLDER = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)
"""A reference to a group in a template of Go's regular expressions: `$1`, `${1}`, `$name`, `$$`."""


def quote(text: str) -> str:
    """A double-quoted literal of the text; bytes that are not UTF-8 become `\\xff` (Go's `%q`)."""
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
    if not math.isfinite(value):
        return number_text(value)
    plain = value == 0 or 1e-4 <= abs(value) < 1e6
    return shortest_decimal(value) if plain else scientific(value)


def scientific(value: float) -> str:
    """A finite number with an exponent of at least two digits: Go's %e with the shortest digits."""
    return np.format_float_scientific(value, trim="-", exp_digits=2)


def shortest_decimal(value: float) -> str:
    """Shortest digits without an exponent: Go's `FormatFloat(v, 'f', -1, 64)`.

    >>> shortest_decimal(1e21), shortest_decimal(0.1)
    ('1000000000000000000000', '0.1')
    """
    if not math.isfinite(value):
        return number_text(value)
    return np.format_float_positional(value, trim="-")
