"""Window bounds of series that share timestamps with nobody."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import INT, INTS, kernel


@kernel(INTS, INTS, INTS, INT, INT)
def ragged_bounds(times: Any, offsets: Any, ends_ms: Any, step_ms: int, range_ms: int) -> Any:
    """Windows that hold a sample, series after series: (lo, hi, cells), as `ragged_windows`.

    ends_ms [J], `step_ms` > 0 apart. Only steps between the first sample of a series and the last
    one that is visible are looked at.
    """
    series, steps = len(offsets) - 1, len(ends_ms)
    spans = np.zeros((series, 2), np.int64)
    room = 0
    for s in range(series):
        if offsets[s + 1] > offsets[s] and steps:
            opened = times[offsets[s]] - ends_ms[0]
            closed = times[offsets[s + 1] - 1] + range_ms - ends_ms[0]
            # A window holds a sample from the first end at or after it, until range_ms later.
            spans[s, 0] = max(-(-opened // step_ms), 0)
            spans[s, 1] = min(-(-closed // step_ms), steps)
            room += max(spans[s, 1] - spans[s, 0], 0)
    lo, hi = np.empty(room, np.int64), np.empty(room, np.int64)
    cells = np.empty(room, np.int64)
    found = 0
    for s in range(series):
        left, right, end = offsets[s], offsets[s], offsets[s + 1]
        for j in range(spans[s, 0], spans[s, 1]):
            while right < end and times[right] <= ends_ms[j]:
                right += 1
            while left < right and times[left] <= ends_ms[j] - range_ms:
                left += 1
            if right > left:
                lo[found], hi[found], cells[found] = left, right, s * steps + j
                found += 1
    return lo[:found].copy(), hi[:found].copy(), cells[:found].copy()
