"""How messages spell numbers and names: as Go's `%g` and `%q`, since tools compare the texts."""

from __future__ import annotations

import math
from decimal import Decimal

from novaql.language.literals import quote
from novaql.text.numbers import go_number

__all__ = ["go_number", "quote", "shortest_decimal"]


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
