"""The usual value at the same time of earlier periods."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.quantiles import sort_nan_first, sorted_quantile
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows

MOST_PERIODS = 1000
"""Periods in a range: each is a pass over all windows."""


def seasonal_baseline(windows: Windows, period: Floats, lookback: Floats) -> tuple[Floats, Bools]:
    """The median of the newest samples one, two, … periods before the window's end.

    period, lookback: seconds, shaped like lo; the period is checked (`checked_kernels`). A sample
    counts that is not older than the lookback there, and in the window.
    """
    if windows.values.size == 0:
        return np.zeros(windows.shape), np.zeros(windows.lo.shape, np.bool_)
    values, there = [], []
    for count in range(1, int(windows.range_ms / 1000.0 / period.min(initial=np.inf)) + 1):
        moments = windows.ends_ms - np.rint(count * period * 1000.0).astype(np.int64)
        at = _passed(windows, moments) - 1
        fresh = windows.times_at(at) > moments - lookback * 1000.0
        values.append(windows.at(at))
        there.append((at >= windows.lo) & fresh)
    if not values:
        return np.zeros(windows.shape), np.zeros(windows.lo.shape, np.bool_)
    known = np.array(there)
    counts = known.sum(axis=0)
    found = np.array(values)
    shaped = known if found.ndim == known.ndim else known[:, None]
    order = np.argsort(~np.broadcast_to(shaped, found.shape), axis=0, kind="stable")
    ordered = sort_nan_first(
        np.take_along_axis(found, order, 0), np.broadcast_to(counts, found.shape[1:])
    )
    return sorted_quantile(ordered, counts, np.full(1, 0.5)), counts > 0


def _passed(windows: Windows, moments: Ints) -> Ints:
    """One past the last sample of each window at or before each moment, by halving."""
    low, high = windows.lo.copy(), windows.hi.copy()
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        before = windows.times_at(np.where(open_, middle, 0)) <= moments
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low
