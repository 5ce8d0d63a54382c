"""Quantiles and modes of sliding windows, from a sorted window that is updated.

Shapes are those of `compiled.strips`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import INT, OUT_VECTOR, STRIPS, VECTOR, inner, kernel

MOST_UPDATES = 15
"""Samples that enter and leave a window. Measured with gauges and counters: for more of them, or
more than a quarter of the window, finding one rank takes less than updating the order."""


@inner
def _place(ordered: Any, count: int, value: float) -> int:
    """How many of the first `count` are smaller."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _sort(ordered: Any, count: int) -> None:
    """Heapsort. (numba's own sort takes many times as long to compile.)"""
    for step in range(count // 2 + count - 1):
        if step < count // 2:
            root, end = count // 2 - 1 - step, count  # build the heap
        else:
            root, end = 0, count - 1 - (step - count // 2)  # take the largest off
            ordered[0], ordered[end] = ordered[end], ordered[0]
        value = ordered[root]
        child = 2 * root + 1
        while child < end:
            if child + 1 < end and ordered[child + 1] > ordered[child]:
                child += 1
            if ordered[child] <= value:
                break
            ordered[root] = ordered[child]
            root, child = child, 2 * child + 1
        ordered[root] = value


@inner
def _select(numbers: Any, count: int, rank: int) -> None:
    """Quickselect: the value of this rank to its place, no smaller one behind it."""
    low, high = 0, count - 1
    while low < high:
        pivot = numbers[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while numbers[i] < pivot:
                i += 1
            while numbers[j] > pivot:
                j -= 1
            if i <= j:
                numbers[i], numbers[j] = numbers[j], numbers[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break


@inner
def _at_rank(ordered: Any, numbers: int, count: int, q: float) -> float:
    """As `quantiles.sorted_quantile`: NaN, of which there are count - numbers, is smallest."""
    if np.isnan(q):
        return np.nan
    if q < 0:
        return -np.inf
    if q > 1:
        return np.inf
    rank = q * (count - 1)
    lower = int(np.floor(rank))
    upper = min(lower + 1, count - 1)
    weight = rank - lower
    absent = count - numbers
    low = np.nan if lower < absent else ordered[lower - absent]
    high = np.nan if upper < absent else ordered[upper - absent]
    result: float = low * (1 - weight) + high * weight
    return result


@inner
def _deviation(ordered: Any, count: int, away: Any) -> float:
    """As `quantiles.mad_over_time`, without NaN. away: as long as `ordered`, written."""
    middle = _at_rank(ordered, count, count, 0.5)
    if not np.isfinite(middle):
        known = 0
        for k in range(count):
            if ordered[k] - middle == ordered[k] - middle:
                away[known] = np.inf
                known += 1
        return _at_rank(away, known, count, 0.5)
    above = _place(ordered, count, middle)
    below = above - 1
    for k in range(min(count // 2 + 2, count)):  # further ranks are not read
        if above == count or (below >= 0 and middle - ordered[below] <= ordered[above] - middle):
            away[k] = middle - ordered[below]
            below -= 1
        else:
            away[k] = ordered[above] - middle
            above += 1
    return _at_rank(away, count, count, 0.5)


@inner
def _outlier(ordered: Any, numbers: int, count: int, newest: float) -> float:
    """As `spreads.outlier_iqr_over_time`; NaN: there is none."""
    low, high = (
        _at_rank(ordered, numbers, count, 0.25),
        _at_rank(ordered, numbers, count, 0.75),
    )
    far = 1.5 * (high - low)
    return newest if newest > high + far or newest < low - far else np.nan


@inner
def _of_ordered(
    what: int, ordered: Any, numbers: int, count: int, q: float, newest: float, away: Any
) -> float:
    """what: 0, the quantile; 1, how many different values; 2, the most frequent of them; 3, the
    median of the deviations from the median; 4, the newest value, if it is an outlier."""
    if what == 0:
        return _at_rank(ordered, numbers, count, q)
    if what == 3:
        return _deviation(ordered, count, away) if numbers == count else np.nan
    if what == 4:
        return _outlier(ordered, numbers, count, newest)
    distinct, longest, best = 0, 0, np.nan
    if numbers < count:
        distinct, longest = 1, count - numbers
    begun = 0
    for k in range(1, numbers + 1):
        if k == numbers or ordered[k] != ordered[begun]:
            distinct += 1
            if k - begun > longest:
                longest, best = k - begun, ordered[begun]
            begun = k
    result: float = distinct if what == 1 else best
    return result


@inner
def _rank_alone(row: Any, ordered: Any, q: float) -> float:
    """The quantile of a window that is found faster than the order of its neighbour is updated."""
    numbers = 0
    for k in range(len(row)):
        if row[k] == row[k]:
            ordered[numbers] = row[k]
            numbers += 1
    # Only two neighbours of the order are read.
    lower = int(np.floor(q * (len(row) - 1))) - (len(row) - numbers) if 0 <= q <= 1 else -1
    if 0 <= lower < numbers:
        _select(ordered, numbers, lower)
    if 0 <= lower + 1 < numbers:
        for k in range(lower + 2, numbers):
            if ordered[k] < ordered[lower + 1]:
                ordered[k], ordered[lower + 1] = ordered[lower + 1], ordered[k]
    return _at_rank(ordered, numbers, len(row), q)


@inner
def _insert(ordered: Any, count: int, value: float) -> None:
    """Put a value into its place among the first `count`."""
    place = _place(ordered, count, value)
    for k in range(count, place, -1):
        ordered[k] = ordered[k - 1]
    ordered[place] = value


@inner
def _remove(ordered: Any, count: int, value: float) -> None:
    """Take a value that is there out of the first `count`."""
    for k in range(_place(ordered, count, value), count - 1):
        ordered[k] = ordered[k + 1]


@inner
def _replace(ordered: Any, count: int, old: float, new: float) -> None:
    """Put `new` in and take `old` out: only what lies between them moves."""
    place = _place(ordered, count, old)
    while place + 1 < count and ordered[place + 1] < new:
        ordered[place] = ordered[place + 1]
        place += 1
    while place > 0 and ordered[place - 1] > new:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = new


@kernel(STRIPS, INT, VECTOR, INT, INT, OUT_VECTOR)
def strip_quantiles(strips: Any, what: int, q: Any, begin: int, end: int, out: Any) -> None:
    """`quantiles.quantile_over_time`, bit for bit; q [J], one per step. what: `_of_ordered`'s."""
    values, offsets, grid, _, _, first, strip, lo, hi = strips
    ordered, away = np.empty(0), np.empty(0)
    at = 0
    for s in range(begin, end):
        row = values[offsets[s] : offsets[s + 1]]
        if len(ordered) <= len(row):
            ordered, away = np.empty(len(row) + 1), np.empty(len(row) + 1)
        left, right, numbers = 0, 0, 0  # samples left … right - 1 are in, some are NaN
        step = first[grid[s]]
        after = strip[grid[s] + 1]
        for cell in range(strip[grid[s]], after):
            start, stop = lo[cell], hi[cell]
            if stop <= start:
                out[at] = 0.0
                at += 1
                step += 1
                continue
            moved, count = max(start - left, stop - right), stop - start
            follows = moved if cell + 1 == after else max(lo[cell + 1] - start, hi[cell + 1] - stop)
            if what == 0 and min(moved, follows) > min(count // 4, MOST_UPDATES):
                out[at] = _rank_alone(row[start:stop], ordered, q[step])
                left, right, numbers = 0, 0, 0
                at += 1
                step += 1
                continue
            if moved > count // 2:  # so many enter or leave that sorting them all takes less
                left, right, numbers = start, stop, 0
                for k in range(start, stop):
                    if row[k] == row[k]:
                        ordered[numbers] = row[k]
                        numbers += 1
                _sort(ordered, numbers)
            while left < start or right < stop:
                leaves = left < start and row[left] == row[left]
                comes = right < stop and row[right] == row[right]
                if leaves and comes:
                    _replace(ordered, numbers, row[left], row[right])
                elif leaves:
                    _remove(ordered, numbers, row[left])
                    numbers -= 1
                elif comes:
                    _insert(ordered, numbers, row[right])
                    numbers += 1
                left += left < start
                right += right < stop
            out[at] = _of_ordered(what, ordered, numbers, count, q[step], row[stop - 1], away)
            at += 1
            step += 1
