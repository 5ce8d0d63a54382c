"""Canonical JSON (RFC 8785): one sequence of bytes for each value, so that it can be hashed.

Written here because it is short, and the package that verifies logs should need no more than the
library itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

_LARGEST = 2**53 - 1
"""Of larger integers, only those that are a double are exact in other languages."""


def canonical_json(value: Any) -> bytes:
    """Encode a JSON value. Raises `ValueError` for NaN, infinities, lone surrogates, and integers
    that no double has exactly as they are written; `TypeError` for a value that is not JSON."""
    return _text(value).encode()


def _text(value: Any) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int():
            large = abs(value) > _LARGEST
            if large and (abs(value) >= 1 << 1023 or _number(float(value)) != str(value)):
                raise ValueError(f"{value} is not exact in JSON")
            return str(value)
        case float():
            return _number(value)
        case Mapping():
            names = sorted(value, key=_utf16)
            members = (f"{_text(str(name))}:{_text(value[name])}" for name in names)
            return "{" + ",".join(members) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
    raise TypeError(f"{type(value).__name__} is not JSON")


def _utf16(name: Any) -> bytes:
    """Return the sort key of a name: its UTF-16 code units."""
    if not isinstance(name, str):
        raise TypeError("a name in JSON is text")
    return name.encode("utf-16-be")


def _number(value: float) -> str:
    """Return a number as ECMAScript writes it."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not JSON")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, power = f"{abs(value)!r}".partition("e")
    whole, _, part = mantissa.partition(".")
    part = part.rstrip("0")
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(power or 0)
    if whole == "0":
        point -= len(whole + part) - len(digits)
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Return digits with the decimal point after `point` of them, or with an exponent."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{point - 1:+d}"
