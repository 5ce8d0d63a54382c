"""Powers of ten as 128-bit numbers, which shortest decimals are computed with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = -292, 324
"""The exponents that float64 needs (`shortest.py`)."""


def _powers() -> Iterator[tuple[int, int]]:
    """Yield the upper and lower halves of each power: its first 128 bits, rounded up."""
    for exponent in range(LEAST, MOST + 1):
        size = 10 ** abs(exponent)
        if exponent < 0:
            bits = 127 + size.bit_length()
            first = -(-(1 << bits) // size)
        else:
            extra = size.bit_length() - 128
            first = size << -extra if extra < 0 else -(-size >> extra)
        yield first >> 64, first & (1 << 64) - 1


HIGH: NDArray[np.uint64]
LOW: NDArray[np.uint64]
HIGH, LOW = (np.array(half, np.uint64) for half in zip(*_powers(), strict=True))
