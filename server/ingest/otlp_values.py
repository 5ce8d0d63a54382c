"""OTLP messages as dicts with the field names of OTLP's JSON, and numbers in them."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]
"""A message. Absent fields have no key."""


def float_of(value: Any) -> float:
    """Return a number, which may be a text in JSON."""
    return float({"Infinity": "inf", "-Infinity": "-inf"}.get(str(value), value))
