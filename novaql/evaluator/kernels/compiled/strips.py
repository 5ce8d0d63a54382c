"""The positions of the windows of a batch, and kernels that choose samples by their place in the
window.

A strip is the run of steps at which the windows of a series hold samples. Series of one grid share
it: grid g has cells strip[g]:strip[g + 1], the first of them at step first[g]; `lo` and `hi` of a
cell are positions from the series' own start, first and one past last (a window inside of a strip
may be empty). `values`, `offsets`, `grid`, `times` and `grids` are the arrays of a `SeriesBatch`.
Kernels write the results of series `begin`…`end - 1` to `out`, strip after strip.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import (
    FLAG,
    INT,
    INTS,
    OUT_MASK,
    OUT_VECTOR,
    STRIPS,
    VECTOR,
    inner,
    kernel,
)
from novaql.tsdb.runtime.numba_intrinsics import borrowed


@kernel(INTS, INTS, INTS, INT, INT)
def strip_bounds(times: Any, grids: Any, ends_ms: Any, step_ms: int, range_ms: int) -> Any:
    """(first [G], strip [G + 1], lo, hi); ends_ms [J], `step_ms` ≥ 0 apart."""
    steps = len(ends_ms)
    count = len(grids) - 1
    first, strip = np.zeros(count, np.int64), np.zeros(count + 1, np.int64)
    for g in range(count):
        if grids[g + 1] > grids[g] and steps:
            opened = times[grids[g]]
            closed = times[grids[g + 1] - 1] + range_ms
            # A window holds a sample from the first end at or after it, until range_ms later.
            start, stop = 0, steps
            if step_ms > 0:
                start = max(-(-(opened - ends_ms[0]) // step_ms), 0)
                stop = min(-(-(closed - ends_ms[0]) // step_ms), steps)
            elif opened > ends_ms[0] or closed <= ends_ms[0]:
                stop = 0
            first[g] = start
            strip[g + 1] = max(stop - start, 0)
        strip[g + 1] += strip[g]
    lo, hi = np.empty(strip[count], np.int32), np.empty(strip[count], np.int32)
    oldest, newest = borrowed(lo), borrowed(hi)
    times, ends_ms = borrowed(times), borrowed(ends_ms)
    for g in range(count):
        a, b = strip[g], strip[g + 1]
        when = times[grids[g] : grids[g + 1]]
        ends = ends_ms[first[g] : first[g] + b - a]
        _passed(when, ends, 0, newest[a:b])
        _passed(when, ends, range_ms, oldest[a:b])
    return first, strip, lo, hi


@inner
def _passed(times: Any, ends_ms: Any, before_ms: int, counts: Any) -> None:
    """How many times lie at or before each end less `before_ms`."""
    if len(ends_ms) == 0:
        return
    passed = _bisect(times, ends_ms[0] - before_ms)
    counts[0] = passed
    usual = 0
    for j in range(1, len(ends_ms)):
        bound = ends_ms[j] - before_ms
        # As many as came with the step before: mostly right, for samples come evenly.
        guess = min(passed + usual, len(times))
        while guess < len(times) and times[guess] <= bound:
            guess += 1
        while guess > passed and times[guess - 1] > bound:
            guess -= 1
        usual = guess - passed
        passed = guess
        counts[j] = passed


@inner
def _bisect(times: Any, bound_ms: int) -> int:
    """How many times lie at or before this one.

    The search begins where the bound is if samples are evenly spaced, then ever farther from
    there: a bisection of times that are not in the cache would wait for memory at each step.
    """
    low, high = 0, len(times)
    if high == 0 or times[high - 1] <= bound_ms:
        return high
    if times[0] > bound_ms:
        return 0
    # From here on times[low] <= bound < times[high].
    high -= 1
    at = int((bound_ms - times[0]) / (times[high] - times[0]) * high)
    at = min(max(at, 0), high)
    reach = 1
    if times[at] <= bound_ms:
        low = at
        while low + reach < high and times[low + reach] <= bound_ms:
            low += reach
            reach *= 2
        high = min(low + reach, high)
    else:
        high = at
        while high - reach > low and times[high - reach] > bound_ms:
            high -= reach
            reach *= 2
        low = max(high - reach, low)
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] <= bound_ms:
            low = middle
        else:
            high = middle
    return high


@kernel(STRIPS, FLAG, INT, INT, OUT_VECTOR)
def strip_edges(strips: Any, newest: bool, begin: int, end: int, out: Any) -> None:
    """The newest or the oldest sample of each window."""
    values, offsets, grid, _, _, _, strip, lo, hi = strips
    at = 0
    for s in range(begin, end):
        base = offsets[s]
        first, last = strip[grid[s]], strip[grid[s] + 1]
        count = last - first
        if newest:
            for k in range(count):
                out[at + k] = values[base + max(hi[first + k] - 1, 0)]
        else:
            for k in range(count):
                out[at + k] = values[base + min(lo[first + k], offsets[s + 1] - base - 1)]
        at += count


@kernel(STRIPS, INTS, INTS, INTS, INT, INT, OUT_MASK)
def strip_alive(
    strips: Any, ends_ms: Any, markers: Any, marker_ms: Any, begin: int, end: int, present: Any
) -> None:
    """Whether a window's newest sample is visible: no staleness marker came after it.

    Series i has markers at marker_ms[markers[i]:markers[i + 1]].
    """
    _, _, grid, times, grids, first, strip, lo, hi = strips
    at = 0
    for s in range(begin, end):
        g = grid[s]
        base = strip[g]
        count = strip[g + 1] - base
        marker, stop = markers[s], markers[s + 1]
        if marker == stop:
            for k in range(count):
                present[at + k] = hi[base + k] > lo[base + k]
        else:
            for k in range(count):
                alive = hi[base + k] > lo[base + k]
                while marker < stop and marker_ms[marker] <= ends_ms[first[g] + k]:
                    marker += 1
                if alive and marker > markers[s]:
                    alive = marker_ms[marker - 1] < times[grids[g] + hi[base + k] - 1]
                present[at + k] = alive
        at += count


@kernel(STRIPS, VECTOR, INT, INT, OUT_VECTOR)
def strip_repeat(strips: Any, of_cell: Any, begin: int, end: int, out: Any) -> None:
    """Copy values that all series of a grid share to each of them."""
    _, _, grid, _, _, _, strip, _, _ = strips
    at = 0
    for s in range(begin, end):
        first, last = strip[grid[s]], strip[grid[s] + 1]
        for cell in range(first, last):
            out[at] = of_cell[cell]
            at += 1
