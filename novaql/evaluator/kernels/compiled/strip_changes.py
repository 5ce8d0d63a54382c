"""Functions of neighbouring samples: irate, idelta, resets, changes, the newest change.

Shapes are those of `compiled.strips`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import FLAG, INT, OUT_VECTOR, STRIPS, kernel


@kernel(STRIPS, FLAG, INT, INT, OUT_VECTOR)
def strip_steps(strips: Any, is_rate: bool, begin: int, end: int, out: Any) -> None:
    """`rate.instant_change`; 0 where a window has fewer than two samples."""
    values, offsets, grid, times, grids, _, strip, lo, hi = strips
    at = 0
    for s in range(begin, end):
        g = grid[s]
        row, when = values[offsets[s] : offsets[s + 1]], times[grids[g] : grids[g + 1]]
        for cell in range(strip[g], strip[g + 1]):
            k = hi[cell] - 1
            change = 0.0
            if k > lo[cell]:
                last, previous = row[k], row[k - 1]
                change = last - previous
                if is_rate:
                    if last < previous:
                        change = last
                    change /= (when[k] - when[k - 1]) / 1000.0
            out[at] = change
            at += 1


@kernel(STRIPS, FLAG, INT, INT, OUT_VECTOR)
def strip_events(strips: Any, only_falls: bool, begin: int, end: int, out: Any) -> None:
    """The number of changes of the value (NaN to NaN does not count), or of decreases."""
    values, offsets, grid, _, _, _, strip, lo, hi = strips
    before = np.empty(0, np.int64)  # events between the samples up to each
    at = 0
    for s in range(begin, end):
        row = values[offsets[s] : offsets[s + 1]]
        if len(before) < len(row):
            before = np.empty(len(row), np.int64)
        found = 0
        for k in range(len(row)):
            if k:
                old, new = row[k - 1], row[k]
                if only_falls:
                    found += new < old
                else:
                    found += old != new and not (old != old and new != new)
            before[k] = found
        for cell in range(strip[grid[s]], strip[grid[s] + 1]):
            start, stop = lo[cell], hi[cell]
            out[at] = before[stop - 1] - before[start] if stop > start else 0
            at += 1


@kernel(STRIPS, INT, INT, OUT_VECTOR)
def strip_last_change(strips: Any, begin: int, end: int, out: Any) -> None:
    """`neighbours.last_change`; NaN without a change in the window."""
    values, offsets, grid, times, grids, _, strip, lo, hi = strips
    begun = np.empty(0, np.int64)  # the sample with which the value of each began
    at = 0
    for s in range(begin, end):
        g = grid[s]
        row, when = values[offsets[s] : offsets[s + 1]], times[grids[g] : grids[g + 1]]
        if len(begun) < len(row):
            begun = np.empty(len(row), np.int64)
        found = 0
        for k in range(1, len(row)):
            old, new = row[k - 1], row[k]
            if old != new and not (old != old and new != new):
                found = k
            begun[k] = found
        for cell in range(strip[g], strip[g + 1]):
            newest = hi[cell] - 1
            out[at] = np.nan
            if newest > lo[cell] and begun[newest] > lo[cell]:
                out[at] = when[begun[newest]] / 1000.0
            at += 1
