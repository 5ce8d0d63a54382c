"""Reduces adjacent rows of one group to one row."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)

LONG = 1 << 10
"""Values of a run, on average, from which on a call of NumPy for each run is fastest."""
MOST_FILLED = 3
"""Rows for each given one, at most, where runs are filled up to the longest."""
SPARSE = 8
"""Group numbers for each row from which on sorting them is quicker than a table of all."""


def numbered(group: Ints) -> tuple[Ints, Ints]:
    """(the groups that occur [g], place of each row's group among them [S])."""
    lowest, highest = int(group.min(initial=0)), int(group.max(initial=0))
    if highest - lowest > SPARSE * len(group):
        groups, place = np.unique(group, return_inverse=True)
        return groups, place
    occurs = np.zeros(highest - lowest + 1, np.bool_)
    occurs[group - lowest] = True
    return np.flatnonzero(occurs) + lowest, (np.cumsum(occurs) - 1)[group - lowest]


def lengths_of(starts: Ints, rows: int) -> Ints:
    lengths = np.empty(len(starts), np.int64)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1:] = rows - starts[-1:]
    return lengths


def as_slice(numbers: Ints) -> Ints | slice:
    """Numbers as a slice if each is one more than the one before, since a slice needs no copy."""
    if len(numbers) and (numbers[1:] - numbers[:-1] == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def stacked(values: NDArray[Number], starts: Ints, filler: Any) -> NDArray[Number] | None:
    """[S, J] as [G, longest run, J], shorter runs filled up; None: that would be too much filling.

    starts: [G], first row of each run, increasing, the first is 0.
    """
    (rows, columns), groups = values.shape, len(starts)
    if groups == 1:
        return values[None]
    lengths = lengths_of(starts, rows)
    longest = int(lengths.max(initial=0))
    if groups * longest == rows:
        return values.reshape(groups, longest, columns)
    if groups * longest > MOST_FILLED * rows:
        return None
    place = np.repeat(np.arange(groups) * longest - starts, lengths)
    place += np.arange(rows)
    filled = np.full((groups * longest, columns), filler, values.dtype)
    filled[place] = values
    return filled.reshape(groups, longest, columns)


def reduce_runs(
    choose: np.ufunc, values: NDArray[Number], starts: Ints, filler: Any
) -> NDArray[Number]:
    """[G, J]: a ufunc over each run; `filler` is its neutral element.

    `reduceat` does not use the processor's vectors, and takes several times as long.
    """
    found: NDArray[Number]
    if values.size >= LONG * len(starts):
        found = np.empty((len(starts), values.shape[1]), values.dtype)
        for k, (begin, end) in enumerate(pairwise((*starts.tolist(), len(values)))):
            choose.reduce(values[begin:end], axis=0, out=found[k])
        return found
    stack = stacked(values, starts, filler)
    if stack is None:
        found = choose.reduceat(values, starts, axis=0, dtype=values.dtype)
    else:
        found = choose.reduce(stack, axis=1, dtype=values.dtype)
    return found
