"""rate, increase and delta of the strips of a bundle (`compiled.strips` says what those are)."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import (
    BOUNDS,
    FLAG,
    FLAGS,
    INT,
    INTS,
    OUT_VECTOR,
    VECTOR,
    inner,
    kernel,
)


@kernel(
    VECTOR, INTS, INTS, INTS, INTS, INTS, INTS, BOUNDS, BOUNDS, INTS, FLAGS,
    INT, FLAG, FLAG, INT, INT, OUT_VECTOR,
)  # fmt: skip
def strip_rates(
    values: Any,
    offsets: Any,
    grid: Any,
    times: Any,
    grids: Any,
    first: Any,
    strip: Any,
    lo: Any,
    hi: Any,
    ends_ms: Any,
    falls: Any,
    range_ms: int,
    is_counter: bool,
    is_rate: bool,
    begin: int,
    end: int,
    out: Any,
) -> None:
    """`rate.extrapolated`, bit for bit; 0 where a window has fewer than two samples.

    falls  [S] whether the series ever decreases
    """
    steps = len(ends_ms)
    growth, known = np.empty(steps), np.empty((4, steps))
    places = np.empty(0, np.int64)
    seconds = range_ms / 1000.0 if is_rate else 1.0
    at = 0
    known_grid = -1
    for s in range(begin, end):
        g = grid[s]
        a, b = strip[g], strip[g + 1]
        if g != known_grid:
            ends = ends_ms[first[g] : first[g] + b - a]
            _know(times[grids[g] : grids[g + 1]], lo[a:b], hi[a:b], ends, range_ms, seconds, known)
            known_grid = g
        row = values[offsets[s] : offsets[s + 1]]
        part = out[at : at + b - a]
        near_zero = _usual(row, lo[a:b], hi[a:b], known, growth, part)
        at += b - a
        if not is_counter:
            continue
        fallen = 0
        if falls[s]:
            if len(places) < len(row):
                places = np.empty(len(row), np.int64)
            fallen = _list_falls(row, places)
        if fallen or near_zero:
            _correct(row, lo[a:b], hi[a:b], known, growth, places, fallen, seconds, part)


@inner
def _know(
    times: Any, lo: Any, hi: Any, ends_ms: Any, range_ms: int, seconds: float, known: Any
) -> None:
    """What depends on times alone: seconds sampled, before and after them, the usual factor."""
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
        known[0, j], known[1, j], known[2, j] = sampled, before, after
        known[3, j] = (sampled + before + after) / sampled / seconds


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
def _list_falls(row: Any, places: Any) -> int:
    """Write down the positions before each decrease; returns how many there are."""
    fallen = 0
    for k in range(len(row) - 1):
        places[fallen] = k
        fallen += row[k + 1] < row[k]
    return fallen


@inner
def _correct(
    row: Any,
    lo: Any,
    hi: Any,
    known: Any,
    growth: Any,
    places: Any,
    fallen: int,
    seconds: float,
    out: Any,
) -> None:
    """Counters: add what resets took, and never extrapolate past the point that was zero."""
    oldest = 0
    for j in range(len(lo)):
        start, end = lo[j], hi[j]
        if end - start < 2:
            continue
        first, increase = row[start], growth[j]
        while oldest < fallen and places[oldest] < start:
            oldest += 1
        k = oldest
        while k < fallen and places[k] < end - 1:
            increase += row[places[k]]
            k += 1
        sampled, before, after, factor = known[0, j], known[1, j], known[2, j], known[3, j]
        if increase > 0 and first >= 0 and not first * sampled > 2 * before * increase:
            zero_before = sampled * (first / increase)
            if zero_before < before:
                factor = (sampled + zero_before + after) / sampled / seconds
        out[j] = increase * factor
