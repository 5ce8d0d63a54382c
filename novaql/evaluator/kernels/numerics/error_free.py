"""Sums and products of floats as two floats: the rounded result, and the rounding error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """(rounded sum, rounding error): D. E. Knuth, The Art of Computer Programming 2, 4.2.2."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """(rounded product, rounding error), for products between 2^-960 and 2^960.

    T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math.
    18 (1971).
    """
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    lost = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, lost


def square(a: Floats) -> tuple[Floats, Floats]:
    """`two_product` of a number and itself."""
    product = a * a
    high, low = _halves(a)
    lost = high * high
    lost -= product
    high *= 2.0
    high *= low
    lost += high
    low *= low
    lost += low
    return product, lost


def _halves(a: Floats) -> tuple[Floats, Floats]:
    """Two numbers of 26 bits and a sign that add up to `a`."""
    high = ((a.view(np.int64) + (1 << 26)) & -(1 << 27)).view(np.float64)
    return high, a - high


def accurate_sum(terms: Sequence[Floats]) -> Floats:
    """Elementwise sum with about the error of a sum in five times the precision.

    Algorithm SumK of T. Ogita, S. M. Rump, S. Oishi, "Accurate Sum and Dot Product", SIAM J. Sci.
    Comput. 26 (2005).
    """
    parts = list(terms)
    for _ in range(4):
        for k in range(1, len(parts)):
            parts[k], parts[k - 1] = two_sum(parts[k], parts[k - 1])
    total = np.zeros(parts[0].shape)
    for part in parts:
        total = total + part
    return total
