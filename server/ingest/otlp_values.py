"""OTLP messages as dicts with the field names of OTLP's JSON, and numbers in them."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]
"""A message. Absent fields have no key."""

_NO_VALUE = 1


def float_of(value: Any) -> float:
    """Return a number, which may be a text in JSON."""
    return float({"Infinity": "inf", "-Infinity": "-inf"}.get(str(value), value))


def unrecorded(point: Message) -> bool:
    """Whether a point says that its series has no value any more."""
    return bool(int(point.get("flags", 0)) & _NO_VALUE)
