"""rate, increase and delta."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import FLAG, INT, INTS, MATRIX, kernel


@kernel(MATRIX, INTS, INTS, INTS, INTS, INT, FLAG, FLAG)
def extrapolated(
    values: Any,
    times: Any,
    lo: Any,
    hi: Any,
    ends_ms: Any,
    range_ms: int,
    is_counter: bool,
    is_rate: bool,
) -> Any:
    """`rate.extrapolated`, bit for bit: values [S, T], windows [J] → [S, J]; 0 where absent."""
    series, samples = values.shape
    steps = len(lo)
    out = np.empty((series, steps))
    growth = np.empty(steps)
    left, right = np.zeros(steps, np.int64), np.zeros(steps, np.int64)
    # What depends on times alone is found once for all series.
    sampled, before = np.zeros(steps), np.zeros(steps)
    after, usual = np.zeros(steps), np.zeros(steps)
    seconds = range_ms / 1000.0
    if samples == 0:
        return np.zeros((series, steps))
    for j in range(steps):
        count = hi[j] - lo[j]
        if count < 2:
            continue
        left[j], right[j] = lo[j], hi[j] - 1
        first_ms, last_ms = times[lo[j]], times[hi[j] - 1]
        sampled[j] = (last_ms - first_ms) / 1000.0
        mean_gap = sampled[j] / (count - 1)
        before[j] = (first_ms - (ends_ms[j] - range_ms)) / 1000.0
        after[j] = (ends_ms[j] - last_ms) / 1000.0
        threshold = mean_gap * 1.1
        if before[j] >= threshold:
            before[j] = mean_gap / 2
        if after[j] >= threshold:
            after[j] = mean_gap / 2
        usual[j] = (sampled[j] + before[j] + after[j]) / sampled[j]
        if is_rate:
            usual[j] /= seconds
    falls = np.empty(samples, np.int64)
    for s in range(series):
        row = values[s]
        fallen = 0
        if is_counter:
            # Counting is done side by side, listing is not, and most rows have nothing to list.
            for k in range(samples - 1):
                fallen += row[k + 1] < row[k]
        if fallen:
            fallen = 0
            for k in range(samples - 1):
                falls[fallen] = k
                fallen += row[k + 1] < row[k]
        # Most windows need the usual factor alone; these are computed side by side. A counter is
        # not extrapolated past the point where it was zero; the product tells most windows apart
        # that are far from it, without a division.
        near_zero = 0
        for j in range(steps):
            first = row[left[j]]
            increase = row[right[j]] - first
            growth[j] = increase
            out[s, j] = increase * usual[j] if sampled[j] > 0 else 0.0
            near_zero += (
                (increase > 0) & (first >= 0) & (not first * sampled[j] > 2 * before[j] * increase)
            )
        if not is_counter or not (fallen or near_zero):
            continue
        oldest = 0
        for j in range(steps):
            start, end = lo[j], hi[j]
            if end - start < 2:
                continue
            first = row[start]
            increase = growth[j]
            if fallen:
                while oldest < fallen and falls[oldest] < start:
                    oldest += 1
                k = oldest
                while k < fallen and falls[k] < end - 1:
                    increase += row[falls[k]]
                    k += 1
            factor = usual[j]
            if increase > 0 and first >= 0 and not first * sampled[j] > 2 * before[j] * increase:
                zero_before = sampled[j] * (first / increase)
                if zero_before < before[j]:
                    factor = (sampled[j] + zero_before + after[j]) / sampled[j]
                    if is_rate:
                        factor /= seconds
            out[s, j] = increase * factor
    return out
