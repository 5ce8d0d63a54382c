"""Straight lines and double exponential smoothing over windows."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels import dispatch
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, each_position, gathered


def _line(windows: Windows, zero_ms: Ints) -> tuple[Floats, Floats]:
    """Least-squares slope (per second) and value at `zero_ms` (shaped like lo).

    Times and values are taken from the first sample of each window, which keeps the sums small:
    with them centred so, plain sums lose less than compensated sums of the raw values do.
    """
    compiled = dispatch.twin("window_lines", windows.size)
    if compiled is not None:
        lines = compiled(
            windows.as_rows(),
            dispatch.ints(windows.times),
            dispatch.ints(windows.lo),
            dispatch.ints(windows.hi),
            dispatch.ints(zero_ms),
        )
        return lines[0].reshape(windows.shape), lines[1].reshape(windows.shape)
    first, first_ms = windows.first(), windows.times_at(windows.lo)
    slope, at_first = np.empty(windows.shape), np.empty(windows.shape)

    def measure(part: slice, values: Floats, times: Ints, inside: Bools, counts: Ints) -> None:
        x = np.where(inside, (times - first_ms[part]) / 1000.0, 0.0)
        y = np.where(inside, values - first[..., part], 0.0)
        n = np.maximum(counts, 1)
        sum_x, sum_y = x.sum(axis=0), y.sum(axis=0)
        covariance = (x * y).sum(axis=0) - sum_x * sum_y / n
        variance = (x * x).sum(axis=0) - sum_x * sum_x / n
        rise = covariance / variance
        # A constant series has slope 0 exactly.
        constant = (~inside | (values == first[..., part])).all(axis=0)
        slope[..., part] = np.where(constant, 0.0, rise)
        at_first[..., part] = np.where(constant, 0.0, sum_y / n - rise * sum_x / n)

    for part, values, times, inside in gathered(windows):
        measure(part, values, times, inside, windows.counts[part])
    # Where all values are one infinity there is no line.
    slope = np.where(np.isinf(first), np.nan, slope)
    return slope, first + at_first + slope * ((zero_ms - first_ms) / 1000.0)


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
