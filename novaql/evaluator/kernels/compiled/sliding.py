"""Sums and extremes of sliding windows: work per sample and per window, not per their product.

A window is kept as two parts. The back grows as samples enter; of the front the results of all its
suffixes are kept, so that samples leave without anything being taken away again. When the front is
used up, the back becomes the front. Nothing is ever subtracted, so sums lose no more than a sum of
each window alone does, and infinities and NaN leave with the windows they are in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import FLAG, INTS, MATRIX, kernel


@kernel(MATRIX, INTS, INTS)
def window_sums(values: Any, lo: Any, hi: Any) -> Any:
    """Compensated sums (total, lost), each [S, J]; see `compensated.add_compensated`."""
    series, samples = values.shape
    steps = len(lo)
    total, lost = np.zeros((series, steps)), np.zeros((series, steps))
    front, front_lost = np.empty(samples), np.empty(samples)
    for s in range(series):
        row = values[s]
        middle, entered = 0, 0
        back, back_lost = 0.0, 0.0
        for j in range(steps):
            start, end = lo[j], hi[j]
            if end <= start:
                continue
            if start >= middle:
                # All that is in the front has left: build a front of this window.
                middle, entered = end, end
                back, back_lost = 0.0, 0.0
                sum_, error = 0.0, 0.0
                for k in range(end - 1, start - 1, -1):
                    value = row[k]
                    grown = sum_ + value
                    of_value = grown - sum_
                    error += (sum_ - (grown - of_value)) + (value - of_value)
                    sum_ = grown
                    front[k], front_lost[k] = sum_, error
            else:
                for k in range(entered, end):
                    value = row[k]
                    grown = back + value
                    of_value = grown - back
                    back_lost += (back - (grown - of_value)) + (value - of_value)
                    back = grown
                entered = end
            sum_ = front[start]
            grown = sum_ + back
            of_back = grown - sum_
            error = (sum_ - (grown - of_back)) + (back - of_back)
            total[s, j] = grown
            if np.isfinite(grown):
                lost[s, j] = error + (front_lost[start] + back_lost)
    return total, lost


@kernel(MATRIX, INTS, INTS, FLAG)
def window_extremes(values: Any, lo: Any, hi: Any, largest: bool) -> Any:
    """Minima or maxima [S, J]; NaN only where all of a window is, and where it is empty."""
    series, samples = values.shape
    steps = len(lo)
    out = np.full((series, steps), np.nan)
    front = np.empty(samples)
    none = -np.inf if largest else np.inf
    numbers = np.empty(samples + 1, np.int64)  # how many samples before each are no NaN
    clean = np.empty(samples)
    for s in range(series):
        row = values[s]
        unknown = 0
        for k in range(samples):
            is_number = row[k] == row[k]
            clean[k] = row[k] if is_number else none
            unknown += not is_number
        if unknown:
            numbers[0] = 0
            for k in range(samples):
                numbers[k + 1] = numbers[k] + (row[k] == row[k])
        middle, entered = 0, 0
        back = none
        for j in range(steps):
            start, end = lo[j], hi[j]
            if end <= start:
                continue
            if start >= middle:
                middle, entered = end, end
                back = none
                best = none
                if largest:
                    for k in range(end - 1, start - 1, -1):
                        best = clean[k] if clean[k] > best else best
                        front[k] = best
                else:
                    for k in range(end - 1, start - 1, -1):
                        best = clean[k] if clean[k] < best else best
                        front[k] = best
            elif largest:
                for k in range(entered, end):
                    back = clean[k] if clean[k] > back else back
                entered = end
            else:
                for k in range(entered, end):
                    back = clean[k] if clean[k] < back else back
                entered = end
            if unknown == 0 or numbers[end] > numbers[start]:
                best = front[start]
                if largest:
                    out[s, j] = back if back > best else best
                else:
                    out[s, j] = back if back < best else best
    return out


@kernel(MATRIX, INTS, INTS)
def window_variances(values: Any, lo: Any, hi: Any) -> Any:
    """Population variances [S, J], bit for bit as `over_time.stdvar_over_time`; 0 where empty."""
    series = values.shape[0]
    steps = len(lo)
    out = np.zeros((series, steps))
    for s in range(series):
        row = values[s]
        for j in range(steps):
            mean, mean_lost, square, square_lost = 0.0, 0.0, 0.0, 0.0
            count = 0
            for k in range(lo[j], hi[j]):
                count += 1
                value = row[k]
                delta = value - (mean + mean_lost)
                step = delta / count
                grown = mean + step
                of_step = grown - mean
                error = (mean - (grown - of_step)) + (step - of_step)
                mean_lost = error + mean_lost if np.isfinite(grown) else 0.0
                mean = grown
                add = delta * (value - (mean + mean_lost))
                grown = square + add
                of_add = grown - square
                error = (square - (grown - of_add)) + (add - of_add)
                square_lost = error + square_lost if np.isfinite(grown) else 0.0
                square = grown
            if count:
                out[s, j] = (square + square_lost) / count
    return out
