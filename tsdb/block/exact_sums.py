"""Sums that no order of adding changes: what is added is cut into parts that add up exactly.

S. M. Rump, T. Ogita, S. Oishi, "Accurate Floating-Point Summation, Part I", SIAM Journal on
Scientific Computing 31 (2008), `ExtractVector`: (sigma + x) - sigma leaves of x what is a multiple
of sigma's last place. So many of those as sigma has room for are added without any rounding.
"""

from __future__ import annotations

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

WHOLE_UNTIL = 2.0**53
"""Up to here sums of whole numbers are exact as they come."""
LARGEST = 2.0**1000
"""Nothing here overflows where absolute values add up to less."""


def are_whole(values: Floats) -> Bools:
    """Which are whole numbers; no infinity, no NaN and no negative zero is one."""
    with np.errstate(invalid="ignore"):
        whole: Bools = (values == np.rint(values)) & (np.abs(values) < WHOLE_UNTIL)
        whole &= (values != 0) | ~np.signbit(values)
    return whole


def exact_sums(values: Floats, begins: Ints) -> tuple[Floats, Floats]:
    """Sums of runs that begin there (the first at 0): (total, what it lacks of the exact sum).

    Together they are within n³ · 2^-150 of it, relative to the sum of absolute values of n numbers.
    Where those are infinite, NaN or near the greatest number, the total is added up as it comes.
    """
    lengths = np.diff(begins, append=len(values))
    with np.errstate(invalid="ignore", over="ignore"):
        bound = np.maximum.reduceat(np.abs(values), begins) * lengths
        plain = np.add.reduceat(values, begins)
    good = bound < LARGEST
    if good.all() and are_whole(values).all() and (bound < WHOLE_UNTIL).all():
        return plain, np.zeros(len(begins))
    high, rest = _extracted(values, lengths, np.where(good, bound, 0.0))
    middle, rest = _extracted(rest, lengths, np.maximum.reduceat(np.abs(rest), begins) * lengths)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = [np.add.reduceat(part, begins) for part in (high, middle, rest)]
        total, lost = two_sum(sums[0], sums[1])
        total, lost = two_sum(total, lost + sums[2])
    return np.where(good, total, plain), np.where(good, lost, 0.0)


def two_sum(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """The sum as a float, and what is exactly missing (Knuth, TAOCP 2, section 4.2.2)."""
    total = one + other
    of_other = total - one
    return total, (one - (total - of_other)) + (other - of_other)


def _extracted(values: Floats, lengths: Ints, bound: Floats) -> tuple[Floats, Floats]:
    """Each value as (what adds up exactly, the rest). bound: of the sums of absolute values."""
    sigma = np.repeat(np.ldexp(1.0, np.minimum(np.frexp(bound)[1], 1020) + 1), lengths)
    with np.errstate(invalid="ignore", over="ignore"):
        high = (sigma + values) - sigma
        return high, values - high
