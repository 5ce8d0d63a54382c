"""Straight lines and double exponential smoothing over windows."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.compensated import add_compensated
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, each_position


def _line(windows: Windows, zero_ms: Ints) -> tuple[Floats, Floats]:
    """Least-squares slope (per second) and value at `zero_ms` (shaped like lo)."""
    shape = windows.shape
    first = windows.first()
    constant = np.ones(shape, np.bool_)
    sums = [(np.zeros(shape), np.zeros(shape)) for _ in range(4)]
    for index, inside in each_position(windows):
        x = (windows.times_at(index) - zero_ms) / 1000.0
        y = windows.at(index)
        here = np.ones(1, np.bool_) if inside is None else inside
        constant &= (y == first) | ~here
        for place, term in enumerate((x, y, x * y, x * x)):
            masked = np.broadcast_to(np.where(here, term, 0.0), shape)
            sums[place] = add_compensated(*sums[place], masked)
    n = np.broadcast_to(np.maximum(windows.counts, 1), shape)
    sum_x, sum_y, sum_xy, sum_xx = (total + lost for total, lost in sums)
    covariance = sum_xy - sum_x * sum_y / n
    variance = sum_xx - sum_x * sum_x / n
    slope = covariance / variance
    intercept = sum_y / n - slope * sum_x / n
    # A constant series has slope 0 exactly, unless the constant is no number.
    flat = np.isinf(first)
    slope = np.where(constant, np.where(flat, np.nan, 0.0), slope)
    intercept = np.where(constant, np.where(flat, np.nan, first), intercept)
    return slope, intercept


def deriv(windows: Windows) -> tuple[Floats, Bools]:
    """Slope per second of the least-squares line. Two samples are needed."""
    # Times are taken from the first sample of each window, to keep their squares small.
    slope, _ = _line(windows, windows.times_at(windows.lo))
    return slope, windows.counts >= 2


def predict_linear(windows: Windows, eval_ms: Ints, seconds: Floats) -> tuple[Floats, Bools]:
    """The line's value `seconds` after the evaluation time. eval_ms, seconds: shaped like lo."""
    slope, at_eval = _line(windows, eval_ms)
    return slope * seconds + at_eval, windows.counts >= 2


def double_exponential_smoothing(
    windows: Windows, smoothing: Floats, trend: Floats
) -> tuple[Floats, Bools]:
    """Holt's linear method, first two samples as start. smoothing, trend: like lo."""
    positions = each_position(windows)
    valid = windows.counts >= 2
    if len(positions) < 2:
        return np.zeros(windows.shape), valid
    level = before = windows.first()
    slope = windows.at(windows.lo + 1) - level
    for number, (index, inside) in enumerate(positions[1:]):
        value = windows.at(index)
        # The first trend is the first difference; from then on it is smoothed.
        new_slope = slope if number == 0 else trend * (level - before) + (1 - trend) * slope
        new_level = smoothing * value + (1 - smoothing) * (level + new_slope)
        before = level
        if inside is None:
            level, slope = new_level, new_slope
        else:
            level = np.where(inside, new_level, level)
            slope = np.where(inside, new_slope, slope)
    return level, valid
