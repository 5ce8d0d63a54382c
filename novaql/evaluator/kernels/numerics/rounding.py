"""Integers of more than 64 bits, rounded to float64."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.numerics.error_free import Floats, Ints

EXACT = 1 << 53
"""Integers up to this are floats."""


def expansion(high: Ints, low: Ints, unit: Ints, parts: int) -> list[Floats]:
    """(high · 2^52 + low) · 2^unit as this many numbers of decreasing size, up to 3.

    high, low  |high| < 2^61, |low| ≤ 2^51
    unit       exponent of the unit, broadcast against them; at least -1074, but for scaled sums

    The first is the number rounded to nearest, ties to even; each later one is the remainder,
    rounded likewise. Three numbers leave no remainder.
    """
    low_unit: Floats = np.ldexp(1.0, unit)
    high_unit: Floats = np.ldexp(1.0, unit + 52)
    upper: Floats
    lower: Floats
    total: Floats
    compiled = KERNELS.ready(high.size) if parts < 3 and unit.shape == (len(high), 1) else None
    if compiled is not None:
        found = [np.empty(high.shape), np.empty(high.shape)]
        units = high_unit.reshape(-1), low_unit.reshape(-1)
        if compiled.round_exact(high, low, *units, *found) < EXACT:
            return found[:parts]
    if max(int(high.max(initial=0)), -int(high.min(initial=0))) < EXACT:
        # Both are floats, and so is what rounding their sum loses (Knuth's TwoSum).
        upper, lower = high * high_unit, low * low_unit
        total = upper + lower
        if parts == 1:
            return [total]
        of_lower = total - upper
        lost: Floats = (upper - (total - of_lower)) + (lower - of_lower)
        return [total, lost, np.zeros(total.shape)][:parts]
    # In halves of high's unit. Where `high` is large, `low` adds less than one of them and decides
    # ties only, as any odd bit there would: S. Boldo, G. Melquiond, "Emulation of FMA and Correctly
    # Rounded Sums: Proved Algorithms Using Rounding to Odd", IEEE Trans. Comput. 57 (2008).
    half_unit: Floats = high_unit / 2
    small = np.abs(high) < EXACT
    upper, lower = high.astype(np.float64) * 2.0, low.astype(np.float64) * 2.0**-51
    total = np.where(small, upper + lower, ((high << 1) + np.sign(low)).astype(np.float64))
    found = [total * half_unit]
    if parts > 1:
        of_lower = total - upper
        lost = (upper - (total - of_lower)) + (lower - of_lower)
        left: Ints = ((high << 1) - total.astype(np.int64)) * (1 << 51) + low
        rounded = left.astype(np.float64)
        found.append(np.where(small, lost * half_unit, rounded * low_unit))
        last = (left - rounded.astype(np.int64)).astype(np.float64)
        found.append(np.where(small, 0.0, last * low_unit))
    return found[:parts]
