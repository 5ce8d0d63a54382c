"""Floats in the notation of test scripts: their text, and the staleness marker among them."""

from __future__ import annotations

import math
import re
import struct

from novaql.text.numbers import number_text
from novaql.tsdb.model.samples import STALE_BITS

_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|nan)", re.I)


def parse_float(text: str) -> float | None:
    """The number; None for any other text. Hexadecimal numbers and durations count as other
    text."""
    return float(text) if _NUMBER.fullmatch(text) else None


def format_float(value: float) -> str:
    """The shortest text that reads back as the same float; `stale` for a staleness marker."""
    return "stale" if is_stale_marker(value) else number_text(value)


def is_stale_marker(value: float) -> bool:
    """Whether the float is the NaN with the bits of a staleness marker."""
    return math.isnan(value) and struct.unpack("<Q", struct.pack("<d", value))[0] == STALE_BITS
