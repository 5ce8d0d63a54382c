"""Quantiles and modes of sliding windows, from a sorted window that is updated; quantiles of
groups of rows, by selection.

Shapes of windows are those of `compiled.strips`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import (
    INT,
    INT_MATRIX,
    INTS,
    MASK,
    MATRIX,
    OUT_FLAGS,
    OUT_MATRIX,
    OUT_VECTOR,
    STRIPS,
    VECTOR,
    inner,
    kernel,
)

STEPS_AT_ONCE = 8
"""Steps of which the values of a group are gathered together: those of a cache line."""

MOST_PASSES = 6
"""Times that a selection reads its values, besides those that equal a pivot; 2 to 3 are usual."""

MOST_UPDATES = 15
"""Samples that enter and leave a window. Measured with gauges and counters: for more of them, or
more than a quarter of the window, finding one rank takes less than updating the order."""


@inner
def _place(ordered: Any, count: int, value: float) -> int:
    """The number of the first `count` values that are smaller."""
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
def _smaller_first(numbers: Any, low: int, high: int, pivot: float) -> int:
    """Move those of low … high - 1 that are smaller than the pivot to the front; return their end.

    No branch depends on a value, because the processor would mispredict half of them.
    """
    end = low
    for k in range(low, high):
        value = numbers[k]
        numbers[k], numbers[end] = numbers[end], value
        end += value < pivot
    return end


@inner
def _select(numbers: Any, count: int, rank: int) -> None:
    """Quickselect: the value of this rank to its place, no smaller one behind it.

    Values in an order that makes every pivot a bad one would take quadratic time: they are sorted.
    """
    low, high, left = 0, count, MOST_PASSES * count
    while low + 1 < high:
        left -= high - low
        if left < 0:
            _sort(numbers, count)
            break
        one, two, three = numbers[low], numbers[(low + high) // 2], numbers[high - 1]
        pivot = max(min(one, two), min(max(one, two), three))  # the median
        end = _smaller_first(numbers, low, high, pivot)
        if rank < end:
            high = end
            continue
        low = end
        for k in range(low, high):  # those that equal the pivot
            value = numbers[k]
            numbers[k], numbers[low] = numbers[low], value
            low += value <= pivot
        if rank < low:
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
def _selected(numbers: Any, known: int, count: int, q: float) -> float:
    """`_at_rank` of numbers in any order, which are rearranged."""
    lower = int(np.floor(q * (count - 1))) - (count - known) if 0 <= q <= 1 else -1
    if 0 <= lower < known:
        _select(numbers, known, lower)
    if 0 <= lower + 1 < known:  # the smallest of those behind; only two neighbours are read
        for k in range(lower + 2, known):
            if numbers[k] < numbers[lower + 1]:
                numbers[k], numbers[lower + 1] = numbers[lower + 1], numbers[k]
    return _at_rank(numbers, known, count, q)


@inner
def _rank_alone(row: Any, ordered: Any, q: float) -> float:
    """The quantile of a window that is found faster than the order of its neighbour is updated."""
    numbers = 0
    for k in range(len(row)):
        if row[k] == row[k]:
            ordered[numbers] = row[k]
            numbers += 1
    return _selected(ordered, numbers, len(row), q)


@inner
def _insert(ordered: Any, count: int, value: float) -> None:
    """Insert a value at its place among the first `count`."""
    place = _place(ordered, count, value)
    for k in range(count, place, -1):
        ordered[k] = ordered[k - 1]
    ordered[place] = value


@inner
def _remove(ordered: Any, count: int, value: float) -> None:
    """Remove an existing value from the first `count`."""
    for k in range(_place(ordered, count, value), count - 1):
        ordered[k] = ordered[k + 1]


@inner
def _replace(ordered: Any, count: int, old: float, new: float) -> None:
    """Replace `old` by `new`: only the values between them move."""
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


@kernel(MATRIX, MASK, INTS, INTS, VECTOR, INT, INT, OUT_MATRIX, OUT_FLAGS)
def group_quantiles(
    values: Any,
    present: Any,
    rows: Any,
    bounds: Any,
    q: Any,
    begin: int,
    end: int,
    out: Any,
    valid: Any,
) -> None:
    """`operators.quantile.quantile` at the steps begin … end - 1.

    present  [S, J], or [1, J] if all rows agree
    rows     [S] rows of the matrix, group after group, those of group g at bounds[g] …
    out, valid  [G, J]
    """
    most = 0
    for g in range(len(bounds) - 1):
        most = max(most, bounds[g + 1] - bounds[g])
    numbers = np.empty((STEPS_AT_ONCE, most + 1))
    known, count = np.empty(STEPS_AT_ONCE, np.int64), np.empty(STEPS_AT_ONCE, np.int64)
    each = len(present) > 1
    for g in range(len(bounds) - 1):
        for first in range(begin, end, STEPS_AT_ONCE):
            wide = min(STEPS_AT_ONCE, end - first)
            known[:], count[:] = 0, 0
            for k in range(bounds[g], bounds[g + 1]):
                row = rows[k]
                mask = row if each else 0
                for j in range(wide):
                    if present[mask, first + j]:
                        count[j] += 1
                        value = values[row, first + j]
                        if value == value:
                            numbers[j, known[j]] = value
                            known[j] += 1
            for j in range(wide):
                step = first + j
                valid[g, step] = count[j] > 0
                out[g, step] = 0.0
                if count[j] > 0:
                    out[g, step] = _selected(numbers[j], known[j], count[j], q[step])


@kernel(OUT_VECTOR, INT_MATRIX, INT_MATRIX, VECTOR, INT, INT, OUT_MATRIX)
def packed_quantiles(
    values: Any, bounds: Any, counts: Any, q: Any, begin: int, end: int, out: Any
) -> None:
    """The quantiles of cells begin … end - 1 of [G, J], whose values `stretches.Stretch` describes.
    They are rearranged; a cell without values is 0."""
    steps = bounds.shape[1]
    for cell in range(begin, end):
        g, j = cell // steps, cell % steps
        count = counts[g, j]
        out[g, j] = 0.0
        if count > 0:
            numbers, known = values[bounds[g, j] : bounds[g, j] + count], 0
            for k in range(count):
                value = numbers[k]
                numbers[known] = value
                known += value == value
            out[g, j] = _selected(numbers, known, count, q[j])
