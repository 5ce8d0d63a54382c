"""Sample values as text."""

from __future__ import annotations

import math

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
