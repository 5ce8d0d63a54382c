"""Ranges of a flat array, in which the items of many series follow one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.tsdb.model.labels import Ints

FEW_RANGES = 16
"""So many are searched one by one, which costs less than searching them together."""


def flat_positions(starts: Ints, lengths: Ints) -> Ints:
    """Return the positions of all ranges, one range after the other.

    starts   the first position of each range
    lengths  the number of positions of each range; 0 is allowed
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    positions: Ints = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return positions


def first_not_before(times: Ints, begins: Ints, ends: Ints, bounds: Ints | int) -> Ints:
    """Return the first position of each range of increasing times that is not before a bound."""
    if not isinstance(bounds, np.ndarray):
        bounds = np.full(len(begins), bounds)
    if len(begins) <= FEW_RANGES:
        of_each = zip(begins.tolist(), ends.tolist(), bounds.tolist(), strict=True)
        found = [a + int(times[a:b].searchsorted(bound)) for a, b, bound in of_each]
        return np.array(found, np.int64)
    if len(times) == 0:
        return begins.copy()
    # Most bounds are beside a range, and decided by its first and last time.
    before_all = times[np.minimum(begins, len(times) - 1)] >= bounds
    after_all = times[np.maximum(ends - 1, 0)] < bounds
    low = np.where((begins < ends) & ~before_all & after_all, ends, begins)
    high = np.where(before_all, begins, ends)
    while True:
        (some,) = (low < high).nonzero()
        if len(some) == 0:
            return low
        middle = (low[some] + high[some]) >> 1
        before = times[middle] < bounds[some]
        low[some] = np.where(before, middle + 1, low[some])
        high[some] = np.where(before, high[some], middle)


def joined_starts(parts: Sequence[tuple[Ints | None, int]]) -> Ints | None:
    """Concatenate start timestamps, each given with its number of samples; None if there are
    none."""
    if all(starts is None for starts, _ in parts):
        return None
    return np.concatenate(
        [np.zeros(count, np.int64) if starts is None else starts for starts, count in parts]
    )
