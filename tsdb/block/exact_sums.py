"""Sums that do not depend on the order of addition: each number is split into parts whose sums are
exact.

S. M. Rump, T. Ogita, S. Oishi, "Accurate FloatSamples-Point Summation, Part I", SIAM Journal on
Scientific Computing 31 (2008), `ExtractVector`: (sigma + x) - sigma is the multiple of sigma's last
place that is nearest to x. As many of these as sigma has spare bits for are added without rounding.
"""

from __future__ import annotations

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

WHOLE_UNTIL = 2.0**53
"""Sums of whole numbers are exact up to this value."""
LARGEST = 2.0**1000
"""No intermediate sum overflows if absolute values add up to less."""


def are_whole(values: Floats) -> Bools:
    """Return which values are whole numbers; infinities, NaN and negative zero are not."""
    with np.errstate(invalid="ignore"):
        whole: Bools = (values == np.rint(values)) & (np.abs(values) < WHOLE_UNTIL)
        whole &= (values != 0) | ~np.signbit(values)
    return whole


def exact_sums(values: Floats, begins: Ints) -> tuple[Floats, Floats]:
    """Return sums of runs that begin at `begins` (the first at 0), as (total, error of the total).

    Their exact sum is within n³ · 2^-150 of the true one, relative to the sum of absolute values of
    n numbers. Where that is infinite, NaN or near the largest float, the total is a plain sum.
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
    """Return the rounded sum, and its exact error (Knuth, TAOCP 2, section 4.2.2)."""
    total = one + other
    of_other = total - one
    return total, (one - (total - of_other)) + (other - of_other)


def _extracted(values: Floats, lengths: Ints, bound: Floats) -> tuple[Floats, Floats]:
    """Split each value into a part that adds up exactly and the rest. bound: of the sums of
    absolute values."""
    sigma = np.repeat(np.ldexp(1.0, np.minimum(np.frexp(bound)[1], 1020) + 1), lengths)
    with np.errstate(invalid="ignore", over="ignore"):
        high = (sigma + values) - sigma
        return high, values - high
