"""Functions of each row over all of its steps.

values and present are [S, J]. Kernels return (values, present) of the same shape; absent places of
`values` have no meaning. NaN is a value: sums with it are NaN, extremes ignore it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from novaql.evaluator.kernels.quantiles import (
    present_first,
    present_mad,
    present_median,
    sorted_quantile,
)
from novaql.evaluator.kernels.windows import Bools, Floats, Ints

Cells = tuple[Floats, Bools]
Kernel = Callable[[Floats, Bools, Floats], Cells]
"""(values, present, parameter [J]) → (values, present). parameter: zeros if there is none."""


# --- where values are -------------------------------------------------------------------------


def _before(present: Bools) -> Ints:
    """[S, J]: the last step up to this one with a value; -1: none."""
    steps = np.arange(present.shape[1])
    return np.maximum.accumulate(np.where(present, steps, -1), axis=1)


def _after(present: Bools) -> Ints:
    """[S, J]: the first step from this one on with a value; J: none."""
    count = present.shape[1]
    steps = np.where(present, np.arange(count), count)
    return np.minimum.accumulate(steps[:, ::-1], axis=1)[:, ::-1]


def _seen(present: Bools) -> Bools:
    """[S, J]: whether there is a value up to this step."""
    seen: Bools = np.logical_or.accumulate(present, axis=1)
    return seen


def _at(values: Floats, steps: Ints) -> Floats:
    """Each row's values at these steps; undefined for steps that do not exist."""
    return np.take_along_axis(values, np.clip(steps, 0, values.shape[1] - 1), 1)


def _in_gaps(kernel: Kernel) -> Kernel:
    """The kernel for rows with gaps; the others remain as they are."""

    def of_rows(values: Floats, present: Bools, parameter: Floats) -> Cells:
        out, there, some = values.copy(), present.copy(), ~present.all(axis=1)
        out[some], there[some] = kernel(values[some], present[some], parameter)
        return out, there

    return of_rows


def fill_forward(values: Floats, present: Bools, _: Floats) -> Cells:
    """Gaps and the end filled with the value before them."""
    before = _before(present)
    return _at(values, before), before >= 0


def fill_backward(values: Floats, present: Bools, _: Floats) -> Cells:
    """Gaps and the beginning filled with the value behind them."""
    after = _after(present)
    return _at(values, after), after < present.shape[1]


def interpolate(values: Floats, present: Bools, _: Floats) -> Cells:
    """Gaps between two values filled on a straight line."""
    before, after = _before(present), _after(present)
    inside = (before >= 0) & (after < present.shape[1])
    low, high = _at(values, before), _at(values, after)
    share = (np.arange(present.shape[1]) - before) / np.maximum(after - before, 1)
    return np.where(present, values, low + (high - low) * share), inside


# --- running ----------------------------------------------------------------------------------


def running_sum(values: Floats, present: Bools, _: Floats) -> Cells:
    """From the first value on, also in gaps."""
    return np.cumsum(np.where(present, values, 0.0), axis=1), _seen(present)


def running_avg(values: Floats, present: Bools, _: Floats) -> Cells:
    total, seen = running_sum(values, present, _)
    return total / np.maximum(np.cumsum(present, axis=1), 1), seen


def running_min(values: Floats, present: Bools, _: Floats) -> Cells:
    filled = np.where(present, values, np.nan)
    return np.fmin.accumulate(filled, axis=1), _seen(present)


def running_max(values: Floats, present: Bools, _: Floats) -> Cells:
    filled = np.where(present, values, np.nan)
    return np.fmax.accumulate(filled, axis=1), _seen(present)


def smooth_exponential(values: Floats, present: Bools, factor: Floats) -> Cells:
    """Each value weighted with the factor of its step, what came before with the rest. Infinite
    values and NaN do not count; in place of infinite ones that are not the first is the average."""
    factor = np.clip(np.where(np.isnan(factor), 1.0, factor), 0.0, 1.0)
    columns, there = np.ascontiguousarray(values.T), np.ascontiguousarray(present.T)
    smoothed = np.empty(columns.shape)
    average, begun = np.zeros(len(values)), np.zeros(len(values), np.bool_)
    for step, weight in enumerate(factor.tolist()):  # every step needs the one before it
        column = columns[step]
        counts = there[step] & np.isfinite(column)
        new = np.where(begun, average * (1 - weight) + column * weight, column)
        average = np.where(counts, new, average)
        begun |= counts
        smoothed[step] = np.where(begun & ~np.isnan(column), average, column)
    return smoothed.T, present


def remove_resets(values: Floats, present: Bools, _: Floats) -> Cells:
    """A counter without its resets: the loss at each drop is added to later values. A drop of less
    than an eighth is a partial reset, after which the counter stays where it was."""
    last = _before(present)
    earlier = np.concatenate([np.full((len(last), 1), -1), last[:, :-1]], axis=1)
    previous = np.where(earlier >= 0, _at(values, earlier), values)
    drop = np.where(present & (values < previous), previous - values, 0.0)
    lost = np.where(8 * drop < previous, drop, previous)
    return values + np.cumsum(np.where(drop > 0, lost, 0.0), axis=1), present


# --- statistics of rows -----------------------------------------------------------------------


def _any_step(present: Bools) -> Bools:
    """At all steps: whether the row has a value at any."""
    some = np.logical_or.reduce(present, axis=1, keepdims=True)
    return np.broadcast_to(some, present.shape)


def _counts(present: Bools) -> Floats:
    found: Floats = np.maximum(present.sum(axis=1), 1).astype(np.float64)
    return found


def _sum(values: Floats, present: Bools, _: Floats) -> Floats:
    found: Floats = np.where(present, values, 0.0).sum(axis=1)
    return found


def mean(values: Floats, present: Bools, _: Floats) -> Floats:
    found: Floats = _sum(values, present, _) / _counts(present)
    return found


def least(values: Floats, present: Bools, _: Floats) -> Floats:
    found: Floats = np.fmin.reduce(np.where(present, values, np.nan), axis=1, initial=np.nan)
    return found


def greatest(values: Floats, present: Bools, _: Floats) -> Floats:
    found: Floats = np.fmax.reduce(np.where(present, values, np.nan), axis=1, initial=np.nan)
    return found


def _variance(values: Floats, present: Bools, _: Floats) -> Floats:
    away = np.where(present, values - mean(values, present, _)[:, None], 0.0)
    found: Floats = (away * away).sum(axis=1) / _counts(present)
    return found


def _deviation(values: Floats, present: Bools, _: Floats) -> Floats:
    found: Floats = np.sqrt(_variance(values, present, _))
    return found


def _first(values: Floats, present: Bools, _: Floats) -> Floats:
    found: Floats = values[np.arange(len(values)), present.argmax(axis=1)]
    return found


def last(values: Floats, present: Bools, _: Floats) -> Floats:
    steps = present.shape[1] - 1 - present[:, ::-1].argmax(axis=1)
    found: Floats = values[np.arange(len(values)), steps]
    return found


def median(values: Floats, present: Bools, _: Floats) -> Floats:
    return present_median(values.T, present.T)


def _mad(values: Floats, present: Bools, _: Floats) -> Floats:
    return present_mad(values.T, present.T)


def _quantile(values: Floats, present: Bools, q: Floats) -> Floats:
    return sorted_quantile(*present_first(values.T, present.T), q[:1])


Statistic = Callable[[Floats, Bools, Floats], Floats]
"""(values, present, parameter [J]) → [S]. Rows without any value have no meaning."""

STATISTICS: Mapping[str, Statistic] = {
    "range_avg": mean,
    "range_first": _first,
    "range_last": last,
    "range_mad": _mad,
    "range_max": greatest,
    "range_median": median,
    "range_min": least,
    "range_quantile": _quantile,
    "range_stddev": _deviation,
    "range_stdvar": _variance,
    "range_sum": _sum,
}


def _at_all_steps(statistic: Statistic) -> Kernel:
    def kernel(values: Floats, present: Bools, parameter: Floats) -> Cells:
        found = np.broadcast_to(statistic(values, present, parameter)[:, None], values.shape)
        return found, _any_step(present)

    return kernel


def linear_regression(values: Floats, present: Bools, _: Floats) -> Cells:
    """The line of least squares, at all steps; level where there is one value."""
    steps = np.arange(present.shape[1], dtype=np.float64)
    n = _counts(present)
    middle = np.where(present, steps, 0.0).sum(axis=1) / n
    level = mean(values, present, _)
    away = np.where(present, steps - middle[:, None], 0.0)
    above = np.where(present, values - level[:, None], 0.0)
    spread = (away * away).sum(axis=1)
    slope = (away * above).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    line = level[:, None] + slope[:, None] * (steps - middle[:, None])
    return line, _any_step(present)


# --- values in relation to their row ----------------------------------------------------------


def _relative(low: Floats, width: Floats, values: Floats, present: Bools) -> Cells:
    """(value - low) / width; absent where the width is 0, as there is no such relation."""
    return (values - low[:, None]) / width[:, None], present & (width != 0)[:, None]


def normalize(values: Floats, present: Bools, _: Floats) -> Cells:
    low, high = least(values, present, _), greatest(values, present, _)
    return _relative(low, high - low, values, present)


def zscore(values: Floats, present: Bools, _: Floats) -> Cells:
    deviation = _deviation(values, present, _)
    return _relative(mean(values, present, _), deviation, values, present)


def trim_outliers(values: Floats, present: Bools, k: Floats) -> Cells:
    """Remove values that are farther from the median than k times the median deviation."""
    farthest: Floats = k[0] * _mad(values, present, k)
    away = np.abs(values - median(values, present, k)[:, None])
    return values, present & ~(away > farthest[:, None])


def trim_spikes(values: Floats, present: Bools, share: Floats) -> Cells:
    """Remove the given share of the values: half of them the largest, half the smallest."""
    half = np.full(1, share[0] / 2)
    ordered = present_first(values.T, present.T)
    low, high = sorted_quantile(*ordered, half), sorted_quantile(*ordered, 1 - half)
    return values, present & ~((values > high[:, None]) | (values < low[:, None]))


def trim_zscore(values: Floats, present: Bools, z: Floats) -> Cells:
    """Remove values that are farther from the mean than z standard deviations."""
    away = np.abs(values - mean(values, present, z)[:, None])
    score = away / _deviation(values, present, z)[:, None]
    return values, present & ~(score > np.abs(z[0]))


KERNELS: Mapping[str, Kernel] = {
    **{name: _at_all_steps(statistic) for name, statistic in STATISTICS.items()},
    "interpolate": _in_gaps(interpolate),
    "keep_last_value": _in_gaps(fill_forward),
    "keep_next_value": _in_gaps(fill_backward),
    "range_linear_regression": linear_regression,
    "range_normalize": normalize,
    "range_trim_outliers": trim_outliers,
    "range_trim_spikes": trim_spikes,
    "range_trim_zscore": trim_zscore,
    "range_zscore": zscore,
    "remove_resets": remove_resets,
    "running_avg": running_avg,
    "running_max": running_max,
    "running_min": running_min,
    "running_sum": running_sum,
    "smooth_exponential": smooth_exponential,
}
"""By function."""
