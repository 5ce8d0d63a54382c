"""Functions of the spread of the values of a window: range, median, mode, outliers, bounds of the
mean.

Each takes `Windows` and returns (values [S, J], valid), valid shaped to broadcast against values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.over_time import (
    avg_over_time,
    max_over_time,
    min_over_time,
    stddev_over_time,
    sum_over_time,
)
from novaql.evaluator.kernels.quantiles import (
    quantile_over_time,
    sort_nan_first,
    sorted_quantile,
)
from novaql.evaluator.kernels.windows import Bools, Floats, Windows, gathered


def range_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """The largest value less the smallest; NaN only if all are."""
    return max_over_time(windows)[0] - min_over_time(windows)[0], windows.counts > 0


def sum2_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """Sum of squares."""
    return sum_over_time(replace(windows, values=np.square(windows.values)))


def geomean_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """Geometric mean, by way of logarithms: NaN if a value is negative."""
    mean, valid = avg_over_time(replace(windows, values=np.log(windows.values)))
    return np.exp(mean), valid


def median_over_time(windows: Windows) -> tuple[Floats, Bools]:
    return quantile_over_time(windows, np.full(windows.lo.shape, 0.5))


def zscore(newest: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Distance from the mean in standard deviations; 0 of the mean itself."""
    away = newest - mean
    score: Floats = np.where(away == 0, 0.0, away / deviation)
    return score


def zscore_over_time(windows: Windows) -> tuple[Floats, Bools]:
    mean, deviation = avg_over_time(windows)[0], stddev_over_time(windows)[0]
    return zscore(windows.last(), mean, deviation), windows.counts >= 2


def outlier_iqr_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """The newest value where it lies 1.5 interquartile ranges outside of the quartiles."""
    newest = windows.last()
    if windows.values.size == 0:
        return newest, np.zeros(windows.lo.shape, np.bool_)
    outside, counts = np.empty(windows.shape, np.bool_), windows.counts
    for part, values, _, _ in gathered(windows):
        n = np.broadcast_to(counts[part], values.shape[1:])
        ordered = sort_nan_first(values, n)
        low, high = (sorted_quantile(ordered, n, np.full(1, q)) for q in (0.25, 0.75))
        far = 1.5 * (high - low)
        value = newest[..., part]
        outside[..., part] = (value > high + far) | (value < low - far)
    return newest, outside & (counts >= 2)


def distinct_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """The number of different values; NaN is one of them."""
    out = np.zeros(windows.shape)
    for part, ordered, inside in _ordered(windows):
        out[..., part] = (_starts(ordered) & inside).sum(axis=0)
    return out, windows.counts > 0


def mode_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """The most frequent value; of several the smallest, NaN before all others."""
    out = np.zeros(windows.shape)
    for part, ordered, inside in _ordered(windows):
        place = np.arange(len(ordered)).reshape(-1, *([1] * (ordered.ndim - 1)))
        begun = np.maximum.accumulate(np.where(_starts(ordered), place, 0), axis=0)
        length = np.where(inside, place - begun, -1)
        longest = length.argmax(axis=0)[None]
        out[..., part] = np.take_along_axis(ordered, longest, 0)[0]
    return out, windows.counts > 0


def _ordered(windows: Windows) -> Iterator[tuple[slice, Floats, Bools]]:
    """Sorted contents of the windows, NaN first: `gathered` without times."""
    for part, values, _, _ in gathered(windows):
        n = np.broadcast_to(windows.counts[part], values.shape[1:])
        ordered = sort_nan_first(values, n)
        place = np.arange(len(ordered)).reshape(-1, *([1] * (ordered.ndim - 1)))
        yield part, ordered, place < n


def _starts(ordered: Floats) -> Bools:
    """Where a different value begins in sorted ones."""
    starts = np.ones(ordered.shape, np.bool_)
    before, after = ordered[:-1], ordered[1:]
    starts[1:] = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return starts


def hoeffding(
    mean: Floats, largest: Floats, smallest: Floats, counts: Floats, phi: Floats, *, upper: bool
) -> Floats:
    """Bound of the mean that holds with probability phi, by Hoeffding's inequality."""
    spread = largest - smallest
    inside = np.clip(phi, 0.0, 1.0)
    away = spread * np.sqrt(np.log(1 / (1 - inside)) / (2 * counts))
    away = np.where((spread <= 0) | (counts < 2) | (phi <= 0), 0.0, away)
    return mean + away if upper else mean - away


def hoeffding_over_time(windows: Windows, phi: Floats, *, upper: bool) -> tuple[Floats, Bools]:
    """phi: shaped like lo."""
    bound = hoeffding(
        avg_over_time(windows)[0],
        max_over_time(windows)[0],
        min_over_time(windows)[0],
        np.maximum(windows.counts, 1),
        phi,
        upper=upper,
    )
    return bound, windows.counts > 0
