"""Least-squares lines through windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import INTS, MATRIX, kernel


@kernel(MATRIX, INTS, INTS, INTS, INTS, reorder=True)
def window_lines(values: Any, times: Any, lo: Any, hi: Any, zero_ms: Any) -> Any:
    """`regression._line`: (slope per second, value at `zero_ms` [J]), each [S, J]; 0 where empty.

    Times and values are taken from the first sample of the window, as there.
    """
    series = values.shape[0]
    steps = len(lo)
    slope, at_zero = np.zeros((series, steps)), np.zeros((series, steps))
    x = np.empty(len(times))
    for j in range(steps):
        start, count = lo[j], hi[j] - lo[j]
        if count < 2:
            continue
        sum_x, sum_xx = 0.0, 0.0
        for k in range(count):
            x[k] = (times[start + k] - times[start]) / 1000.0
            sum_x += x[k]
            sum_xx += x[k] * x[k]
        variance = sum_xx - sum_x * sum_x / count
        since = (zero_ms[j] - times[start]) / 1000.0
        for s in range(series):
            first = values[s, start]
            sum_y, sum_xy = 0.0, 0.0
            for k in range(count):
                y = values[s, start + k] - first
                sum_y += y
                sum_xy += x[k] * y
            rise = (sum_xy - sum_x * sum_y / count) / variance
            slope[s, j] = rise
            at_zero[s, j] = first + (sum_y / count - rise * sum_x / count) + rise * since
    return slope, at_zero
