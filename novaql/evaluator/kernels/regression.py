"""Straight lines and double exponential smoothing over windows."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.pieces import lines, pieces
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, each_position, gathered


def _line(windows: Windows, zero_ms: Ints) -> tuple[Floats, Floats]:
    """Least-squares slope (per second) and value at `zero_ms` (shaped like lo)."""
    cut = pieces(windows)
    if cut is None:
        return _line_through_all(windows, zero_ms)
    found, flat = lines(cut), cut.windows
    zero = zero_ms if windows.cells is not None else np.tile(zero_ms, windows.grid[0])
    slope = found.time_value / found.time_time
    beyond = (zero - flat.times[0]) / 1000.0 - found.time_ref - found.time
    at_zero = found.value_ref + (found.value + slope * beyond)
    some = cut.alone
    if len(some):
        slope[some], at_zero[some] = _line_through_all(cut.windows_alone(), zero[some])
    return slope.reshape(windows.shape), at_zero.reshape(windows.shape)


def _line_through_all(windows: Windows, zero_ms: Ints) -> tuple[Floats, Floats]:
    """The same, reading all samples of each window.

    Values are taken from the window's first one and times from their mean, so that no large sums
    are subtracted from one another.
    """
    first, first_ms = windows.first(), windows.times_at(windows.lo)
    slope, at_zero = np.empty(windows.shape), np.empty(windows.shape)
    since_first = (zero_ms - first_ms) / 1000.0

    def measure(part: slice, values: Floats, times: Ints, inside: Bools, counts: Ints) -> None:
        n = np.maximum(counts, 1)
        x = np.where(inside, (times - first_ms[part]) / 1000.0, 0.0)
        mean = x.sum(axis=0) / n
        x = np.where(inside, x - mean, 0.0)
        y = np.where(inside, values - first[..., part], 0.0)
        sum_y = y.sum(axis=0)
        rise = _products(x, y) / _products(x, x)
        # As in Prometheus, a window with an infinity has no line.
        rise = np.where(np.isfinite(sum_y), rise, np.nan)
        # A constant series has slope 0 exactly.
        rise = np.where((~inside | (y == 0)).all(axis=0), 0.0, rise)
        slope[..., part] = rise
        at_zero[..., part] = first[..., part] + sum_y / n + rise * (since_first[part] - mean)

    for part, values, times, inside in gathered(windows):
        measure(part, values, times, inside, windows.counts[part])
    return slope, at_zero


def _products(x: Floats, y: Floats) -> Floats:
    """The sum of the products along the first axis."""
    total: Floats = np.einsum("i...,i...->...", x, y)
    return total


def deriv(windows: Windows) -> tuple[Floats, Bools]:
    """Slope per second of the least-squares line. Two samples are needed."""
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
