"""Quantiles and medians over windows and over columns of sorted values."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, gathered


def sorted_quantile(ordered: Floats, counts: Ints, q: Floats) -> Floats:
    """Linear interpolation between ranks q × (n - 1).

    ordered: [n, …], increasing along the first axis with NaN first (NaN is the smallest value);
    counts and q broadcast to […]; the first counts[…] places hold the values. Outside of 0…1:
    -Inf below, +Inf above; NaN where q is NaN.
    """
    rank = np.where(np.isnan(q), 0.0, np.clip(q, 0.0, 1.0)) * (np.maximum(counts, 1) - 1)
    lower = np.floor(rank).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(counts - 1, 0))
    weight = rank - lower
    shape = ordered.shape[1:]
    low = np.take_along_axis(ordered, np.broadcast_to(lower, shape)[None], 0)[0]
    high = np.take_along_axis(ordered, np.broadcast_to(upper, shape)[None], 0)[0]
    out = low * (1 - weight) + high * weight
    out = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, out))
    return np.where(np.isnan(q), np.nan, out)


def sort_nan_first(values: Floats, counts: Ints) -> Floats:
    """Sort along the first axis; of each column only the first `counts` places are values.

    NumPy puts NaN last. Absent places are +Inf with a NaN's rank, so two keys are needed only
    where NaN occurs: there NaN is moved to the front.
    """
    place = np.arange(values.shape[0]).reshape(-1, *([1] * (values.ndim - 1)))
    inside = place < counts
    nan = np.isnan(values) & inside
    if not nan.any():
        ordered: Floats = np.sort(np.where(inside, values, np.nan), axis=0)
        return ordered
    rank = np.where(inside, np.where(nan, 0, 1), 2)
    order = np.lexsort((np.where(nan | ~inside, 0.0, values), rank), axis=0)
    return np.take_along_axis(values, order, 0)


def present_first(values: Floats, present: Bools) -> tuple[Floats, Ints]:
    """Values sorted along the first axis, present ones first and NaN before the others, and how
    many are present."""
    counts: Ints = present.sum(axis=0)
    packed = values
    if not present.all():
        if not (np.isnan(values) & present).any():  # NumPy puts NaN last
            return np.sort(np.where(present, values, np.nan), axis=0), counts
        packed = np.take_along_axis(values, np.argsort(~present, axis=0, kind="stable"), 0)
    return sort_nan_first(packed, counts), counts


def present_median(values: Floats, present: Bools) -> Floats:
    """Median along the first axis; without meaning where nothing is present."""
    return sorted_quantile(*present_first(values, present), np.full(1, 0.5))


def present_mad(values: Floats, present: Bools) -> Floats:
    """Median of the absolute deviations from the median along the first axis; NaN if any is."""
    spread = present_median(np.abs(values - present_median(values, present)), present)
    return np.where((np.isnan(values) & present).any(axis=0), np.nan, spread)


def quantile_over_time(windows: Windows, q: Floats) -> tuple[Floats, Bools]:
    """q: one quantile per window, shaped like lo."""
    if windows.values.size == 0:
        return np.zeros(windows.shape), windows.counts > 0
    out, counts = np.empty(windows.shape), windows.counts
    for part, values, _, _ in gathered(windows):
        n = np.broadcast_to(counts[part], values.shape[1:])
        out[..., part] = sorted_quantile(sort_nan_first(values, n), n, q[part])
    return out, counts > 0


def mad_over_time(windows: Windows) -> tuple[Floats, Bools]:
    """Median of the absolute deviations from the median; NaN if any value is."""
    if windows.values.size == 0:
        return np.zeros(windows.shape), windows.counts > 0
    half = np.full(1, 0.5)
    out, counts = np.empty(windows.shape), windows.counts
    for part, values, _, inside in gathered(windows):
        n = np.broadcast_to(counts[part], values.shape[1:])
        middle = sorted_quantile(sort_nan_first(values, n), n, half)
        away = np.abs(values - middle)
        spread = sorted_quantile(sort_nan_first(away, n), n, half)
        unknown = (np.isnan(values) & inside).any(axis=0)
        out[..., part] = np.where(unknown, np.nan, spread)
    return out, counts > 0
