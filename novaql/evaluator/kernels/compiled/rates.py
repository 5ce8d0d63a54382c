"""rate, increase and delta."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import FLAG, INT, INTS, MATRIX, inner, kernel

STRETCH = 512
"""Windows of a single row worked off together: what is known of them stays in the cache."""


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
    out = np.zeros((series, steps)) if samples == 0 else np.empty((series, steps))
    if samples == 0:
        return out
    stretch = max(1, min(steps, STRETCH) if series == 1 else steps)
    growth = np.empty(stretch)
    known = np.empty((4, stretch))
    falls = np.empty(samples, np.int64)
    fallen, oldest = 0, 0
    for begin in range(0, steps, stretch):
        count = min(stretch, steps - begin)
        starts, ends = lo[begin : begin + count], hi[begin : begin + count]
        _know(times, starts, ends, ends_ms[begin : begin + count], range_ms, is_rate, known)
        for s in range(series):
            row = values[s]
            near_zero = _usual(row, starts, ends, known, growth, out[s, begin : begin + count])
            if not is_counter:
                continue
            if series > 1 or begin == 0:
                fallen, oldest = _list_falls(row, falls), 0
            if fallen or near_zero:
                oldest = _correct(
                    row,
                    starts,
                    ends,
                    known,
                    growth,
                    falls,
                    fallen,
                    oldest,
                    range_ms / 1000.0 if is_rate else 1.0,
                    out[s, begin : begin + count],
                )
    return out


@inner
def _know(
    times: Any, lo: Any, hi: Any, ends_ms: Any, range_ms: int, is_rate: bool, known: Any
) -> None:
    """What depends on times alone: seconds sampled, before and after them, the usual factor."""
    seconds = range_ms / 1000.0
    for j in range(len(lo)):
        if hi[j] - lo[j] < 2:
            known[:, j] = 0.0
            continue
        first_ms, last_ms = times[lo[j]], times[hi[j] - 1]
        sampled = (last_ms - first_ms) / 1000.0
        mean_gap = sampled / (hi[j] - lo[j] - 1)
        before = (first_ms - (ends_ms[j] - range_ms)) / 1000.0
        after = (ends_ms[j] - last_ms) / 1000.0
        threshold = mean_gap * 1.1
        if before >= threshold:
            before = mean_gap / 2
        if after >= threshold:
            after = mean_gap / 2
        usual = (sampled + before + after) / sampled
        known[0, j], known[1, j], known[2, j] = sampled, before, after
        known[3, j] = usual / seconds if is_rate else usual


@inner
def _usual(row: Any, lo: Any, hi: Any, known: Any, growth: Any, out: Any) -> int:
    """Windows by the usual factor, side by side; returns how many may begin near zero.

    The product tells those apart that are far from it, without a division.
    """
    near_zero = 0
    for j in range(len(lo)):
        there = known[0, j] > 0
        first = row[lo[j] if there else 0]
        increase = row[hi[j] - 1 if there else 0] - first
        growth[j] = increase
        out[j] = increase * known[3, j] if there else 0.0
        near_zero += (
            (increase > 0) & (first >= 0) & (not first * known[0, j] > 2 * known[1, j] * increase)
        )
    return near_zero


@inner
def _list_falls(row: Any, falls: Any) -> int:
    """Write down the positions before each decrease; returns how many there are."""
    fallen = 0
    # Counting is done side by side, listing is not, and most rows have nothing to list.
    for k in range(len(row) - 1):
        fallen += row[k + 1] < row[k]
    if fallen == 0:
        return 0
    fallen = 0
    for k in range(len(row) - 1):
        falls[fallen] = k
        fallen += row[k + 1] < row[k]
    return fallen


@inner
def _correct(
    row: Any,
    lo: Any,
    hi: Any,
    known: Any,
    growth: Any,
    falls: Any,
    fallen: int,
    oldest: int,
    seconds: float,
    out: Any,
) -> int:
    """Counters: add what resets took, and never extrapolate past the point that was zero.

    Returns the first fall that a later window may still hold.
    """
    for j in range(len(lo)):
        start, end = lo[j], hi[j]
        if end - start < 2:
            continue
        first, increase = row[start], growth[j]
        if fallen:
            while oldest < fallen and falls[oldest] < start:
                oldest += 1
            k = oldest
            while k < fallen and falls[k] < end - 1:
                increase += row[falls[k]]
                k += 1
        sampled, before, after, factor = known[0, j], known[1, j], known[2, j], known[3, j]
        if increase > 0 and first >= 0 and not first * sampled > 2 * before * increase:
            zero_before = sampled * (first / increase)
            if zero_before < before:
                factor = (sampled + zero_before + after) / sampled / seconds
        out[j] = increase * factor
    return oldest
