"""Statistics of columns: values [n, …] along the first axis, of which some are present.

NaN is a value: the smallest one, equal to itself. Results for no present values have no meaning.
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.quantiles import present_first, sorted_quantile
from novaql.evaluator.kernels.windows import Bools, Floats


def _starts(ordered: Floats) -> Bools:
    """Whether a place of sorted columns has a different value than the place before it."""
    starts = np.ones(ordered.shape, np.bool_)
    same = (ordered[1:] == ordered[:-1]) | (np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    np.logical_not(same, out=starts[1:])
    return starts


def _places(ordered: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.arange(len(ordered)).reshape(-1, *([1] * (ordered.ndim - 1)))


def distinct_values(values: Floats, present: Bools) -> Floats:
    """The number of different values."""
    ordered, counts = present_first(values, present)
    found: Floats = (_starts(ordered) & (_places(ordered) < counts)).sum(axis=0).astype(np.float64)
    return found


def mode(values: Floats, present: Bools) -> Floats:
    """The most frequent value; of several, the smallest."""
    ordered, counts = present_first(values, present)
    place = _places(ordered)
    begin = np.maximum.accumulate(np.where(_starts(ordered), place, 0), axis=0)
    length = np.where(place < counts, place - begin, -1)
    at = length.argmax(axis=0)
    found: Floats = np.take_along_axis(ordered, at[None], 0)[0]
    return found


def geometric_mean(values: Floats, present: Bools) -> Floats:
    """The n-th root of the product; NaN where that is negative. One value is its own mean."""
    count = present.sum(axis=0)
    logs = np.where(present, np.log2(np.abs(values)), 0.0).sum(axis=0)
    negative = np.where(present, values < 0, False).sum(axis=0) % 2 == 1
    root = np.exp2(logs / np.maximum(count, 1))
    root = np.where(negative & (root != 0), np.nan, root)
    only = np.take_along_axis(values, present.argmax(axis=0)[None], 0)[0]
    return np.where(count == 1, only, root)


def interquartile_bounds(values: Floats, present: Bools) -> tuple[Floats, Floats]:
    """One and a half interquartile ranges below the first and above the third quartile."""
    ordered = present_first(values, present)
    low, high = (sorted_quantile(*ordered, np.full(1, q)) for q in (0.25, 0.75))
    beyond = 1.5 * (high - low)
    return low - beyond, high + beyond
