"""Floats of test scripts: their text, and when two of them count as equal."""

from __future__ import annotations

import math
import re
import struct
import sys

from novaql.tsdb.model.samples import STALE_BITS

EPSILON = 1e-6
_SMALLEST_NORMAL = sys.float_info.min
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|nan)", re.I)


def parse_float(text: str) -> float | None:
    """The number, or None if the text is none. No hexadecimal form, no durations."""
    return float(text) if _NUMBER.fullmatch(text) else None


def format_float(value: float) -> str:
    """Shortest text that reads back as the same float."""
    if is_stale_marker(value):
        return "stale"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


def is_stale_marker(value: float) -> bool:
    # Bits, not value: the marker is a NaN.
    return math.isnan(value) and struct.unpack("<Q", struct.pack("<d", value))[0] == STALE_BITS


def floats_equal(a: float, b: float) -> bool:
    """Equal within `EPSILON`, relative to the sum of the two; an expected 0 must be 0."""
    if is_stale_marker(a) or is_stale_marker(b):
        return is_stale_marker(a) and is_stale_marker(b)
    if math.isnan(a) and math.isnan(b):
        return True
    if a == b:
        return True
    size = abs(a) + abs(b)
    difference = abs(a - b)
    if a == 0 or b == 0 or size < _SMALLEST_NORMAL:
        return difference < EPSILON * _SMALLEST_NORMAL
    return difference / min(size, sys.float_info.max) < EPSILON
