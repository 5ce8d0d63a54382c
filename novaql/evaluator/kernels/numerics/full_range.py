"""Sums over the full range of float64: integers of 70 digits in base 2^32.

R. M. Neal, "Fast exact summation using small and large superaccumulators", arXiv:1505.05571 (2015).
Digit k counts units of 2^(32 k - 1152). A digit has 31 spare bits, so carries wait until 2^30
numbers were added.
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints
from novaql.evaluator.kernels.numerics.error_free import Floats, Ints

DIGITS = 70
LOWEST = -1152
"""Exponent of the lowest digit: 26 bits below the lowest bit of a subnormal after `frexp`."""
MASK = (1 << 32) - 1

Number = tuple[Floats, Ints]
"""value · 2^exponent, elementwise, where the value alone would overflow."""


class FullRange:
    """Sums of N cells."""

    def __init__(self, cells: int) -> None:
        self._digits = np.zeros((cells, DIGITS), np.int64)

    def add_integers(self, cell: Ints, whole: Ints, exponent: Ints) -> None:
        """Add whole · 2^exponent to each cell; |whole| < 2^53, -1152 ≤ exponent < 1024."""
        at, shift = np.divmod(exponent - LOWEST, 32)
        low, high = (whole & MASK) << shift, (whole >> 32) << shift
        np.add.at(self._digits, (cell, at), low & MASK)
        np.add.at(self._digits, (cell, at + 1), (low >> 32) + (high & MASK))
        np.add.at(self._digits, (cell, at + 2), high >> 32)

    def add(self, cell: Ints, values: Floats, exponent: Ints | int = 0) -> None:
        """Add values · 2^exponent: finite, below 2^1056, as are sums of 2^30 floats."""
        compiled = KERNELS.ready(len(values))
        if compiled is not None:
            exponents = np.zeros(len(values), np.int64)
            exponents += exponent
            compiled.add_full_range(self._digits, ints(cell), floats(values, (-1,)), exponents)
            return
        fraction, own = np.frexp(values)
        whole = (fraction * 2.0**53).astype(np.int64)
        self.add_integers(cell, whole, own.astype(np.int64) - 53 + exponent)

    def expansion(self, parts: int) -> list[Number]:
        """The sums as this many numbers of decreasing size.

        The first is the sum rounded to nearest, ties to even; each later one is the remainder,
        rounded likewise. Changes the sums.
        """
        found: list[Number] = []
        cell = np.arange(len(self._digits))
        for _ in range(parts):
            value, exponent = self._rounded()
            found.append((value, exponent))
            self.add(cell, -value, exponent)
        return found

    def digits(self) -> tuple[Ints, Floats]:
        """(cell, value) of every digit that is not 0, for sums below 2^1024."""
        sign, digits = self._positive()
        cell, at = digits.nonzero()
        values = np.ldexp(digits[cell, at].astype(np.float64), 32 * at + LOWEST)
        return cell, values * sign[cell]

    def _positive(self) -> tuple[Ints, Ints]:
        """The sums' signs, and the digits of their absolute values, in 0 … 2^32 - 1."""
        _carry(self._digits)
        sign = np.where(self._digits[:, -1] < 0, -1, 1)
        digits = self._digits * sign[:, None]
        _carry(digits)
        return sign, digits

    def _rounded(self) -> Number:
        """The sums rounded to 53 bits, as numbers below 2^64 times a power of two."""
        sign, digits = self._positive()
        rows = np.arange(len(digits))
        top = DIGITS - 1 - np.argmax(digits[:, ::-1] != 0, axis=1)
        top = np.maximum(top, 2)
        first, second, third = (digits[rows, top - back].astype(np.uint64) for back in range(3))
        # The upper 63 of the 96 bits from the top digit on; the last of them is set if any bit
        # below is, which does not change where 63 bits are rounded to 53.
        empty = (32 - np.frexp(first.astype(np.float64))[1]).astype(np.uint64)
        upper = (first << np.uint64(32) | second) << empty
        upper |= third >> (np.uint64(32) - empty)
        below = (third << empty) & np.uint64(MASK)
        digits[np.arange(DIGITS) > top[:, None] - 3] = 0
        sticky = (below != 0) | digits.any(axis=1) | (upper & np.uint64(1) != 0)
        whole = (upper >> np.uint64(1)).astype(np.int64) | sticky
        exponent = 32 * (top - 1) - empty.astype(np.int64) + 1 + LOWEST
        return whole.astype(np.float64) * sign, exponent


def _carry(digits: Ints) -> None:
    """Bring all digits but the highest one into 0 … 2^32 - 1, in place."""
    for k in range(DIGITS - 1):
        digits[:, k + 1] += digits[:, k] >> 32
        digits[:, k] &= MASK
