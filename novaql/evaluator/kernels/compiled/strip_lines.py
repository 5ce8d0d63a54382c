"""Least-squares lines through windows. Shapes are those of `compiled.strips`."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import (
    FLAG,
    INT,
    INTS,
    OUT_VECTOR,
    STRIPS,
    VECTOR,
    inner,
    kernel,
)
from novaql.tsdb.runtime.numba_intrinsics import borrowed

LANES = 8
"""Windows that are smoothed side by side: a register of AVX-512."""


@kernel(STRIPS, INTS, VECTOR, FLAG, INT, INT, OUT_VECTOR, reorder=True)
def strip_lines(
    strips: Any, zero_ms: Any, seconds: Any, slopes: bool, begin: int, end: int, out: Any
) -> None:
    """Slopes per second, or the line's value `seconds` after `zero_ms` (each [J], by step).

    As `regression._line`: times are taken from their mean, values from the window's first one. 0
    where a window has fewer than two samples.
    """
    values, offsets, grid, times, grids, first, strip, lo, hi = strips
    away = np.empty(0)
    at = 0
    s = begin
    while s < end:
        g = grid[s]
        after = s + 1
        while after < end and grid[after] == g:
            after += 1
        when = times[grids[g] : grids[g + 1]]
        if len(away) < len(when):
            away = np.empty(len(when))
        count = strip[g + 1] - strip[g]
        for k in range(count):
            start, stop = lo[strip[g] + k], hi[strip[g] + k]
            size = stop - start
            if size < 2:
                for r in range(after - s):
                    out[at + r * count + k] = 0.0
                continue
            mean = _seconds_away(when[start:stop], away)
            variance = 0.0
            for i in range(size):
                variance += away[i] * away[i]
            step = first[g] + k
            since = (zero_ms[step] - when[start]) / 1000.0 - mean
            for r in range(after - s):
                base = offsets[s + r] + start
                row = values[base : base + size]
                begun = row[0]
                sum_y, sum_xy = 0.0, 0.0
                for i in range(size):
                    y = row[i] - begun
                    sum_y += y
                    sum_xy += away[i] * y
                # As in Prometheus, a window with an infinity has no line.
                rise = sum_xy / variance if np.isfinite(sum_y) else np.nan
                if slopes:
                    out[at + r * count + k] = rise
                else:
                    ahead = rise * since
                    value = begun + (sum_y / size) + ahead
                    out[at + r * count + k] = rise * seconds[step] + value
        at += count * (after - s)
        s = after


@inner
def _seconds_away(when: Any, away: Any) -> float:
    """Seconds of each time from the mean of all, into `away`; returns the mean from the first."""
    total = 0.0
    for i in range(len(when)):
        away[i] = (when[i] - when[0]) / 1000.0
        total += away[i]
    mean = total / len(when)
    for i in range(len(when)):
        away[i] -= mean
    return mean


@kernel(STRIPS, VECTOR, VECTOR, INT, INT, OUT_VECTOR)
def strip_smoothed(strips: Any, smoothing: Any, trend: Any, begin: int, end: int, out: Any) -> None:
    """Holt's linear method, as `regression.double_exponential_smoothing`; factors are [J].

    Each level waits for the one before it, so the windows of `LANES` steps are computed side by
    side, as far as the shortest reaches.
    """
    values, offsets, grid, _, _, first, strip, lo, hi = strips
    out, smoothing, trend = borrowed(out), borrowed(smoothing), borrowed(trend)
    levels, befores, slopes = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    at = 0
    for s in range(begin, end):
        row = borrowed(values)[offsets[s] : offsets[s + 1]]
        base, last = strip[grid[s]], strip[grid[s] + 1]
        for cell in range(base, last, LANES):
            count = min(LANES, last - cell)
            step = first[grid[s]] + cell - base
            starts, stops = borrowed(lo)[cell : cell + count], borrowed(hi)[cell : cell + count]
            of_value, of_slope = smoothing[step : step + count], trend[step : step + count]
            shortest = stops[0] - starts[0]
            for lane in range(count):
                start = starts[lane]
                shortest = min(shortest, stops[lane] - start)
                if stops[lane] - start >= 2:  # the first trend is the first difference
                    befores[lane] = row[start]
                    slopes[lane] = row[start + 1] - row[start]
                    levels[lane] = of_value[lane] * row[start + 1] + (1 - of_value[lane]) * (
                        befores[lane] + slopes[lane]
                    )
            for k in range(2, shortest):
                for lane in range(count):
                    slopes[lane] = (
                        of_slope[lane] * (levels[lane] - befores[lane])
                        + (1 - of_slope[lane]) * slopes[lane]
                    )
                    befores[lane] = levels[lane]
                    levels[lane] = of_value[lane] * row[starts[lane] + k] + (1 - of_value[lane]) * (
                        befores[lane] + slopes[lane]
                    )
            for lane in range(count):
                level, before, slope = levels[lane], befores[lane], slopes[lane]
                for k in range(starts[lane] + max(shortest, 2), stops[lane]):
                    slope = of_slope[lane] * (level - before) + (1 - of_slope[lane]) * slope
                    before = level
                    level = of_value[lane] * row[k] + (1 - of_value[lane]) * (before + slope)
                out[at + lane] = level if stops[lane] - starts[lane] >= 2 else 0.0
            at += count
