"""Sums and extremes of sliding windows: work per sample and per window, not per their product.

A window has two parts. The back grows as samples enter. For the front, the results of all suffixes
are stored, so that a sample leaves by a step to the next suffix. When the front is used up, the
back becomes the front. Nothing is ever subtracted: sums are as accurate as those of each window
alone, and infinities and NaN leave with the samples that they come from.

Shapes are those of `compiled.strips`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import FLAG, INT, OUT_VECTOR, STRIPS, inner, kernel

LARGEST = 5e307
"""Of sums up to a sample of which the larger parts add up to less, none overflows."""


@kernel(STRIPS, FLAG, INT, INT, OUT_VECTOR)
def strip_sums(strips: Any, mean: bool, begin: int, end: int, out: Any) -> None:
    """Compensated sums, or means, which are found also where the sum overflows.

    The sum up to a sample is, but for rounding, a difference of sums that are in the front, or the
    sum of one and of the back. Where none of those is large, no order of adding overflows.
    """
    values, offsets, grid, _, _, _, strip, lo, hi = strips
    front, front_lost = np.empty(0), np.empty(0)
    at = 0
    for s in range(begin, end):
        row = values[offsets[s] : offsets[s + 1]]
        if len(front) < len(row):
            front, front_lost = np.empty(len(row)), np.empty(len(row))
        # front[k] is the sum of the samples k … middle - 1, `back` that of middle … entered - 1;
        # of each, the rounding errors (`lost`) and the largest sum on the way (`peak`).
        middle, entered = 0, 0
        back, back_lost = 0.0, 0.0
        front_peak, back_peak = 0.0, 0.0
        for cell in range(strip[grid[s]], strip[grid[s] + 1]):
            start, stop = lo[cell], hi[cell]
            if stop <= start:
                out[at] = 0.0
                at += 1
                continue
            if start >= middle:
                # All samples of the front have left: build a front of this window.
                middle, entered = stop, stop
                back, back_lost = 0.0, 0.0
                sum_, error = 0.0, 0.0
                front_peak, back_peak = 0.0, 0.0
                for k in range(stop - 1, start - 1, -1):
                    value = row[k]
                    grown = sum_ + value
                    of_value = grown - sum_
                    error += (sum_ - (grown - of_value)) + (value - of_value)
                    sum_ = grown
                    if abs(sum_) > front_peak:
                        front_peak = abs(sum_)
                    front[k], front_lost[k] = sum_, error
            else:
                # `stop` never falls from step to step, so each sample enters the back once.
                for k in range(entered, stop):
                    value = row[k]
                    grown = back + value
                    of_value = grown - back
                    back_lost += (back - (grown - of_value)) + (value - of_value)
                    back = grown
                    if abs(back) > back_peak:
                        back_peak = abs(back)
                entered = stop
            if front_peak + back_peak >= LARGEST:
                out[at] = _in_order(row, start, stop, mean)
                at += 1
                continue
            # start < middle: the front was built from an earlier start, and starts never fall.
            sum_ = front[start]
            total = sum_ + back
            of_back = total - sum_
            lost = (sum_ - (total - of_back)) + (back - of_back)
            lost += front_lost[start] + back_lost
            if not np.isfinite(total):
                lost = 0.0
            count = stop - start
            rounded = total + lost
            if mean:
                # What rounding to `total` took does not depend on how the window was put together.
                out[at] = rounded / count + (lost - (rounded - total)) / count
            else:
                out[at] = rounded
            at += 1


@inner
def _in_order(row: Any, start: int, stop: int, mean: bool) -> float:
    """The sum or mean in the order of time, as `over_time._sum_in_order` and `_mean_in_order`."""
    total, lost, moving = row[start], 0.0, False
    for k in range(start + 1, stop):
        count = k - start + 1.0
        base, value = total, row[k]
        grown = base + value
        if mean and not moving and np.isinf(grown):
            moving = True
            total, lost = total / (count - 1), lost / (count - 1)
        if moving:
            share = (count - 1) / count
            base, value, lost = share * total, value / count, share * lost
            grown = base + value
        of_value = grown - base
        error = (base - (grown - of_value)) + (value - of_value)
        lost = lost + error if np.isfinite(grown) else 0.0
        total = grown
    divisor = stop - start if mean and not moving else 1
    found: float = total / divisor + lost / divisor
    return found


@kernel(STRIPS, FLAG, INT, INT, OUT_VECTOR)
def strip_extremes(strips: Any, largest: bool, begin: int, end: int, out: Any) -> None:
    """Minima or maxima; NaN only where all of a window is."""
    values, offsets, grid, _, _, _, strip, lo, hi = strips
    none = -np.inf if largest else np.inf
    front, clean = np.empty(0), np.empty(0)
    numbers = np.empty(0, np.int64)  # how many samples before each are no NaN
    at = 0
    for s in range(begin, end):
        row = values[offsets[s] : offsets[s + 1]]
        if len(front) < len(row):
            front, clean = np.empty(len(row)), np.empty(len(row))
            numbers = np.empty(len(row) + 1, np.int64)
        unknown = 0
        for k in range(len(row)):
            is_number = row[k] == row[k]
            clean[k] = row[k] if is_number else none
            unknown += not is_number
        if unknown:
            numbers[0] = 0
            for k in range(len(row)):
                numbers[k + 1] = numbers[k] + (row[k] == row[k])
        middle, entered = 0, 0
        back = none
        for cell in range(strip[grid[s]], strip[grid[s] + 1]):
            start, stop = lo[cell], hi[cell]
            if stop <= start:
                out[at] = np.nan
                at += 1
                continue
            if start >= middle:
                middle, entered = stop, stop
                back = none
                best = none
                if largest:
                    for k in range(stop - 1, start - 1, -1):
                        best = clean[k] if clean[k] > best else best
                        front[k] = best
                else:
                    for k in range(stop - 1, start - 1, -1):
                        best = clean[k] if clean[k] < best else best
                        front[k] = best
            elif largest:
                for k in range(entered, stop):
                    back = clean[k] if clean[k] > back else back
                entered = stop
            else:
                for k in range(entered, stop):
                    back = clean[k] if clean[k] < back else back
                entered = stop
            best = front[start]
            if (back > best) if largest else (back < best):
                best = back
            out[at] = best if unknown == 0 or numbers[stop] > numbers[start] else np.nan
            at += 1


@inner
def _variance(row: Any, start: int, stop: int) -> float:
    if stop <= start:
        return 0.0
    begun, total, square = row[start], 0.0, 0.0
    for k in range(start, stop):
        total += row[k] - begun
    mean = total / (stop - start)
    for k in range(start, stop):
        away = (row[k] - begun) - mean
        square += away * away
    variance: float = square / (stop - start)
    return variance


@kernel(STRIPS, FLAG, INT, INT, OUT_VECTOR)
def strip_variances(strips: Any, root: bool, begin: int, end: int, out: Any) -> None:
    """Population variances or deviations, bit for bit as `over_time.stdvar_over_time`."""
    values, offsets, grid, _, _, _, strip, lo, hi = strips
    at = 0
    for s in range(begin, end):
        row = values[offsets[s] : offsets[s + 1]]
        for cell in range(strip[grid[s]], strip[grid[s] + 1]):
            variance = _variance(row, lo[cell], hi[cell])
            out[at] = np.sqrt(variance) if root else variance
            at += 1


@kernel(STRIPS, FLAG, INT, INT, OUT_VECTOR)
def strip_extreme_times(strips: Any, largest: bool, begin: int, end: int, out: Any) -> None:
    """Seconds of the last sample that holds the extreme; any number replaces NaN.

    The places that may become the last extreme are in a queue, the best one first: a sample removes
    those before it that are not better.
    """
    values, offsets, grid, times, grids, _, strip, lo, hi = strips
    queue = np.empty(0, np.int64)
    at = 0
    for s in range(begin, end):
        g = grid[s]
        row, when = values[offsets[s] : offsets[s + 1]], times[grids[g] : grids[g + 1]]
        if len(queue) < len(row):
            queue = np.empty(len(row), np.int64)
        first, last, entered = 0, 0, 0  # queue[first:last]
        for cell in range(strip[g], strip[g + 1]):
            for k in range(entered, hi[cell]):
                value = row[k]
                while last > first:
                    before = row[queue[last - 1]]
                    if before == before and not (value >= before if largest else value <= before):
                        break
                    last -= 1
                queue[last] = k
                last += 1
            entered = max(entered, hi[cell])
            while last > first and queue[first] < lo[cell]:
                first += 1
            place = queue[first] if last > first else min(lo[cell], len(row) - 1)
            out[at] = when[place] / 1000.0
            at += 1
