"""rate, increase and delta of the strips of a batch (`compiled.strips` defines them)."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import (
    FLAG,
    INT,
    INTS,
    OUT_BYTES,
    OUT_VECTOR,
    STRIPS,
    inner,
    kernel,
)
from novaql.tsdb.runtime.numba_intrinsics import borrowed


@kernel(STRIPS, INTS, OUT_BYTES, INT, FLAG, FLAG, INT, INT, OUT_VECTOR)
def strip_rates(
    strips: Any,
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

    falls  [S] whether the series ever decreases: 1 or 0; -1: not known, and then written here
    """
    values, offsets, grid, times, grids, first, strip, lo, hi = strips
    values, times, ends_ms, out = (
        borrowed(values), borrowed(times), borrowed(ends_ms), borrowed(out)
    )  # fmt: skip
    lo, hi = borrowed(lo), borrowed(hi)
    steps = len(ends_ms)
    known, ends_at = np.empty((5, steps)), np.empty((2, steps), np.int32)
    places = np.empty(0, np.int64)
    seconds = range_ms / 1000.0 if is_rate else 1.0
    at = 0
    known_grid = -1
    for s in range(begin, end):
        g = grid[s]
        a, b = strip[g], strip[g + 1]
        if a == b:
            continue
        # Series of a grid are mostly adjacent, so this is computed once for all of them.
        if g != known_grid:
            ends = ends_ms[first[g] : first[g] + b - a]
            when = times[grids[g] : grids[g + 1]]
            _know(when, lo[a:b], hi[a:b], ends, range_ms, seconds, known, ends_at)
            known_grid = g
        if b == a + 1 and (falls[s] >= 0 if is_counter else True):
            # A single step reads the two samples directly: array views would cost more than that.
            base = offsets[s]
            start, stop = base + ends_at[0, 0], base + ends_at[1, 0]
            increase = values[stop] - values[start]
            out[at] = increase * known[3, 0] if known[3, 0] > 0 else 0.0
            if not is_counter:
                at += 1
                continue
            fell = 0
            if falls[s]:
                for k in range(start, stop):
                    fell += values[k + 1] < values[k]
            near_zero = (
                (increase > 0) & (values[start] >= 0) & (values[start] <= known[4, 0] * increase)
            )
            if fell == 0 and not near_zero:
                at += 1
                continue
        # All windows as if no counter was reset and none began near zero …
        row = values[offsets[s] : offsets[s + 1]]
        part = out[at : at + b - a]
        if is_counter and falls[s] < 0:
            falls[s] = _falls(row)
        near_zero = _usual(row, ends_at, known, part)
        at += b - a
        if not is_counter:
            continue
        # … and again those windows of a counter for which that does not hold.
        fallen = 0
        if falls[s]:
            if len(places) < len(row):
                places = np.empty(len(row), np.int64)
            fallen = _list_falls(row, lo[a], hi[b - 1], places)
        if fallen or near_zero:
            _correct(row, lo[a:b], hi[a:b], known, places, fallen, seconds, part)


@inner
def _falls(row: Any) -> int:
    fallen = 0
    for k in range(1, len(row)):
        fallen += row[k] < row[k - 1]
    return 1 if fallen else 0


@inner
def _know(
    times: Any,
    lo: Any,
    hi: Any,
    ends_ms: Any,
    range_ms: int,
    seconds: float,
    known: Any,
    ends_at: Any,
) -> None:
    """Compute what depends only on times: seconds sampled, before and after them, the usual factor.

    Also twice the share of the second in the first, and the first and last sample of each window.
    """
    for j in range(len(lo)):
        if hi[j] - lo[j] < 2:
            known[:, j] = 0.0
            ends_at[:, j] = 0
            continue
        ends_at[0, j], ends_at[1, j] = lo[j], hi[j] - 1
        first_ms, last_ms = times[lo[j]], times[hi[j] - 1]
        sampled = (last_ms - first_ms) / 1000.0
        mean_gap = sampled / (hi[j] - lo[j] - 1)
        before = (first_ms - (ends_ms[j] - range_ms)) / 1000.0
        after = (ends_ms[j] - last_ms) / 1000.0
        threshold = mean_gap * 1.1  # as Prometheus: up to there, to the edge
        if before >= threshold:
            before = mean_gap / 2
        if after >= threshold:
            after = mean_gap / 2
        known[0, j], known[1, j], known[2, j] = sampled, before, after
        known[3, j] = (sampled + before + after) / sampled / seconds
        known[4, j] = 2 * before / sampled


@inner
def _usual(row: Any, ends_at: Any, known: Any, out: Any) -> int:
    """Windows by the usual factor, side by side; returns how many may begin near zero.

    The product decides all cases that are far from it, without a division.
    """
    near_zero = 0
    for j in range(len(out)):
        first = row[ends_at[0, j]]
        increase = row[ends_at[1, j]] - first
        # An infinity or NaN that no window holds must not come from the row's first sample.
        out[j] = increase * known[3, j] if known[3, j] > 0 else 0.0
        near_zero += (increase > 0) & (first >= 0) & (first <= known[4, j] * increase)
    return near_zero


@inner
def _list_falls(row: Any, start: int, stop: int, places: Any) -> int:
    """List the positions before each decrease in a part; return their number."""
    fallen = 0
    for k in range(start, stop - 1):
        places[fallen] = k
        fallen += row[k + 1] < row[k]
    return fallen


@inner
def _correct(
    row: Any,
    lo: Any,
    hi: Any,
    known: Any,
    places: Any,
    fallen: int,
    seconds: float,
    out: Any,
) -> None:
    """Counters: add what resets took, and never extrapolate past the point that was zero."""
    oldest = 0  # `places` increase, and so do the starts of windows: each place is passed once
    for j in range(len(lo)):
        start, end = lo[j], hi[j]
        if end - start < 2:
            continue
        first = row[start]
        increase = row[end - 1] - first
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
