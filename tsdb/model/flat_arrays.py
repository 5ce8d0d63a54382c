"""Ranges of a flat array, in which the items of many series follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Bools, Ints, Numbers

FEW_RANGES = 16
"""Up to this many are searched one by one, which costs less than searching them together."""
NEVER = np.iinfo(np.int64).max
MIN_INT = np.iinfo(np.int64).min
"""The first time of a range that does not exist."""


def flat_positions(starts: Ints, lengths: Ints) -> Ints:
    """Return the positions of all ranges, one range after the other.

    starts   the first position of each range
    lengths  the number of positions of each range; 0 is allowed
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    positions: Ints = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return positions


def is_identity(rows: Ints, count: int) -> bool:
    """Whether `rows` are 0 to `count` - 1, in order."""
    return len(rows) == count and bool((rows == np.arange(count)).all())


def is_increasing(numbers: Numbers) -> bool:
    """Whether each number is greater than the one before."""
    return bool((numbers[1:] > numbers[:-1]).all())


def first_not_before(times: Ints, begins: Ints, ends: Ints, bounds: Ints | int) -> Ints:
    """Return the first position of each range of increasing times that is not before a bound."""
    if len(begins) <= FEW_RANGES:
        each = bounds.tolist() if isinstance(bounds, np.ndarray) else [bounds] * len(begins)
        of_each = zip(begins.tolist(), ends.tolist(), each, strict=True)
        found = [a + int(times[a:b].searchsorted(bound)) for a, b, bound in of_each]
        return np.array(found, np.int64)
    if not isinstance(bounds, np.ndarray):
        bounds = np.full(len(begins), bounds)
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


def portions(sizes: Ints, most: int) -> list[tuple[int, int]]:
    """Divide items into runs whose sizes sum to about `most`: (first, one past last) of each."""
    if len(sizes) == 0:
        return []
    if int(sizes.sum()) <= most:
        return [(0, len(sizes))]
    number = np.maximum(np.cumsum(sizes) - 1, 0) // most
    return list(pairwise([0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(sizes)]))


def bounds_of(lengths: Ints) -> Ints:
    """Return where ranges begin that follow one another from 0 on, and where the last one ends."""
    bounds = np.zeros(len(lengths) + 1, np.int64)
    lengths.cumsum(out=bounds[1:])
    return bounds


def grown(column: NDArray[Any], count: int, fill: int) -> NDArray[Any]:
    """Return a column of at least `count` numbers: this one, or a copy of twice its length in which
    `fill` follows."""
    if count <= len(column):
        return column
    shape = max(count, 2 * len(column)), *column.shape[1:]
    # The system provides zeros: memory that is not in use yet is not touched.
    wider = np.full(shape, fill, column.dtype) if fill else np.zeros(shape, column.dtype)
    wider[: len(column)] = column
    return wider


def sorted_union(first: Ints, second: Ints) -> Ints:
    """Return the distinct numbers of two increasing arrays, increasing. `np.union1d` makes a hash
    table of them, which takes ten times as long, and 40 bytes for each number."""
    if np.array_equal(first, second):
        return first
    both = np.concatenate([first, second])
    both.sort(kind="stable")  # merges two sorted halves
    distinct: Ints = both[np.append(True, both[1:] != both[:-1])[: len(both)]]
    return distinct


def latest_of_each(owners: Ints, times: Ints) -> Ints:
    """Return samples in order of (owner, time): of those with equal ones, only the last."""
    order = np.lexsort((times, owners))  # stable
    owners, times = owners[order], times[order]
    last = np.append((owners[1:] != owners[:-1]) | (times[1:] != times[:-1]), True)[: len(order)]
    return order if last.all() else order[last]


def all_begin_after(ends: Iterable[Ints], first: Ints) -> bool:
    """Return whether the ranges of every item are in order of time, in the memory of one range of
    each item.

    ends   for each range [K] where it ends; `MIN_INT`: the item does not have it
    first  [L, K] where the ranges begin; `NEVER`: the item does not have it
    """
    reached = np.full(first.shape[1], MIN_INT)
    for one, begin in zip(ends, first, strict=True):
        if not bool((reached < begin).all()):
            return False
        np.maximum(reached, one, out=reached)
    return True


def are_apart(first: Ints, last: Ints) -> Bools:
    """[K] whether no two ranges of time of an item overlap. first, last: [L, K] of each range and
    item; `NEVER` in `first`: the item does not have this range."""
    ends = (np.where(one == NEVER, MIN_INT, end) for one, end in zip(first, last, strict=True))
    if all_begin_after(ends, first):  # the usual case
        return np.ones(first.shape[1], np.bool_)
    order = np.argsort(first, axis=0, kind="stable")
    first, last = np.take_along_axis(first, order, 0), np.take_along_axis(last, order, 0)
    apart: Bools = ((last[:-1] < first[1:]) | (first[1:] == NEVER)).all(axis=0)
    return apart


def joined_starts(parts: Sequence[tuple[Ints | None, int]]) -> Ints | None:
    """Concatenate start timestamps, each given with its number of samples; None if there are
    none."""
    if all(starts is None for starts, _ in parts):
        return None
    return np.concatenate(
        [np.zeros(count, np.int64) if starts is None else starts for starts, count in parts]
    )
