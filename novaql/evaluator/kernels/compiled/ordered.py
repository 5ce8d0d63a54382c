"""Quantiles of sliding windows, from a window that is kept sorted."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import INTS, MATRIX, VECTOR, inner, kernel


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


@kernel(MATRIX, INTS, INTS, VECTOR)
def window_quantiles(values: Any, lo: Any, hi: Any, q: Any) -> Any:
    """`quantiles.quantile_over_time`, bit for bit; q [J], one per window → [S, J]."""
    series = values.shape[0]
    steps = len(lo)
    longest = 0
    for j in range(steps):
        longest = max(longest, hi[j] - lo[j])
    ordered = np.empty(longest + 1)
    out = np.zeros((series, steps))
    for s in range(series):
        row = values[s]
        left, right, numbers = 0, 0, 0  # samples left … right - 1 are in, some are NaN
        for j in range(steps):
            start, end = lo[j], hi[j]
            if end <= start:
                continue
            if start >= right:
                left, right, numbers = start, start, 0
            if start - left > (right - start) // 4 and end - right > (right - start) // 4:
                # Much comes and goes: sort anew.
                left, right, numbers = start, end, 0
                for k in range(start, end):
                    if row[k] == row[k]:
                        ordered[numbers] = row[k]
                        numbers += 1
                _sort(ordered, numbers)
            while left < start or right < end:
                leaves = left < start and row[left] == row[left]
                comes = right < end and row[right] == row[right]
                if leaves and comes:
                    _replace(ordered, numbers, row[left], row[right])
                elif leaves:
                    _remove(ordered, numbers, row[left])
                    numbers -= 1
                elif comes:
                    _insert(ordered, numbers, row[right])
                    numbers += 1
                left += left < start
                right += right < end
            out[s, j] = _at_rank(ordered, numbers, end - start, q[j])
    return out


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
