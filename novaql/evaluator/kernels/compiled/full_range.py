"""Numbers added to sums over the full range of float64."""

from __future__ import annotations

import math
from typing import Any

from novaql.evaluator.kernels.compiled.jit import INTS, OUT_INTS, VECTOR, kernel

_LOWEST, _MASK = -1152, (1 << 32) - 1


@kernel(OUT_INTS, INTS, VECTOR, INTS)
def add_full_range(digits: Any, cell: Any, values: Any, exponent: Any) -> None:
    """`numerics.full_range.FullRange.add`: values · 2^exponent to the digits of their cells."""
    for k in range(len(values)):
        fraction, own = math.frexp(values[k])
        whole = int(fraction * 9007199254740992.0)
        place = own - 53 + exponent[k] - _LOWEST
        at, shift = place >> 5, place & 31
        low, high = (whole & _MASK) << shift, (whole >> 32) << shift
        row = digits[cell[k]]
        row[at] += low & _MASK
        row[at + 1] += (low >> 32) + (high & _MASK)
        row[at + 2] += high >> 32
