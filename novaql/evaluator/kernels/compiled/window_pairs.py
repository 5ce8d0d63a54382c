"""Functions of the pairs of samples in windows, window after window.

x, y    the samples of all pairs, pair of series after pair of series
lo, hi  [c] the samples lo … hi - 1 are those of a window
"""

from __future__ import annotations

import math
from typing import Any

from novaql.evaluator.kernels.compiled.jit import INTS, OUT_MASK, OUT_VECTOR, VECTOR, kernel


@kernel(VECTOR, VECTOR, INTS, INTS, OUT_VECTOR, OUT_MASK)
def correlate(x: Any, y: Any, lo: Any, hi: Any, out: Any, valid: Any) -> None:
    """`correlations.correlations`."""
    for c in range(len(lo)):
        first, last = lo[c], hi[c]
        count = last - first
        if count < 2:
            continue
        mean_x = mean_y = 0.0
        for k in range(first, last):
            mean_x += x[k]
            mean_y += y[k]
        mean_x /= count
        mean_y /= count
        squares_x = squares_y = products = 0.0
        for k in range(first, last):
            a, b = x[k] - mean_x, y[k] - mean_y
            squares_x += a * a
            squares_y += b * b
            products += a * b
        size = math.sqrt(squares_x * squares_y)
        if size == 0:
            continue
        found = products / size
        valid[c] = True
        out[c] = -1.0 if found < -1.0 else 1.0 if found > 1.0 else found
