"""Canonical JSON (RFC 8785): one sequence of bytes for each value, so that it can be hashed.

Implemented here because it is short, and the package that verifies logs should not need another
dependency.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_LARGEST = 2**53 - 1
"""Larger integers are exact in other languages only if a double represents them."""


def canonical_json(value: Any) -> bytes:
    """Encode a JSON value. Raises `ValueError` for NaN, infinities, lone surrogates, and integers
    that no double represents exactly; `TypeError` for a value that is not JSON."""
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
        return "0"  # also for -0.0
    if 1e-6 <= abs(value) < 1e21:
        return np.format_float_positional(value, trim="-")
    return np.format_float_scientific(value, trim="-", exp_digits=1)
