"""Rows of a block folded into the groups they belong to.

group [S] is the number of each row's group; present [S, J], or [1, J] if it is the same for all
rows. The groups of a block are returned in order of their first row: [g].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.jit import (
    FLAG,
    FLOAT,
    INT_MATRIX,
    INTS,
    MASK,
    MATRIX,
    OUT_INTS,
    OUT_MATRIX,
    inner,
    kernel,
)


@inner
def _numbered(group: Any) -> Any:
    """(place of each row's group among those of the block [S], the groups [g])."""
    lowest, highest = group.min(), group.max()
    place_of = np.full(highest - lowest + 1, -1, np.int64)
    place = np.empty(len(group), np.int64)
    found = np.empty(len(group), np.int64)
    count = 0
    for s in range(len(group)):
        at = group[s] - lowest
        if place_of[at] < 0:
            place_of[at] = count
            found[count] = group[s]
            count += 1
        place[s] = place_of[at]
    return place, found[:count].copy()


@kernel(INTS, MATRIX, MASK, FLOAT)
def group_sums(group: Any, values: Any, present: Any, limit: float) -> Any:
    """(groups, total, lost, counts, large): compensated sums, each [g, J].

    large  how many values are beyond ± limit
    """
    place, groups = _numbered(group)
    series, steps = values.shape
    shape = (len(groups), steps)
    total, lost = np.zeros(shape), np.zeros(shape)
    counts = np.zeros(shape, np.int64)
    shared = len(present) != series
    large = 0
    for s in range(series):
        g = place[s]
        there = present[0 if shared else s]
        for j in range(steps):
            value = values[s, j] if there[j] else 0.0
            sum_ = total[g, j]
            grown = sum_ + value
            of_value = grown - sum_
            lost[g, j] += (sum_ - (grown - of_value)) + (value - of_value)
            total[g, j] = grown
            counts[g, j] += there[j]
            large += abs(value) > limit
    for g in range(len(groups)):
        for j in range(steps):
            # As `add_compensated`: what an infinite sum lost means nothing.
            if not np.isfinite(total[g, j]):
                lost[g, j] = 0.0
    return groups, total, lost, counts, large


@kernel(INTS, MATRIX, MASK, FLAG)
def group_extremes(group: Any, values: Any, present: Any, largest: bool) -> Any:
    """(groups, best, seen), each [g, J]; best is NaN where all values are, or none is there."""
    place, groups = _numbered(group)
    series, steps = values.shape
    best = np.full((len(groups), steps), np.nan)
    seen = np.zeros((len(groups), steps), np.bool_)
    shared = len(present) != series
    sign = 1.0 if largest else -1.0
    for s in range(series):
        g = place[s]
        there = present[0 if shared else s]
        for j in range(steps):
            value, so_far = values[s, j], best[g, j]
            better = there[j] and (sign * value > sign * so_far or so_far != so_far)
            best[g, j] = value if better else so_far
            seen[g, j] |= there[j]
    return groups, best, seen


@kernel(INTS, MASK)
def group_counts(group: Any, present: Any) -> Any:
    """(groups, counts [g, J])."""
    place, groups = _numbered(group)
    steps = present.shape[1]
    counts = np.zeros((len(groups), steps), np.int64)
    shared = len(present) != len(group)
    for s in range(len(group)):
        g = place[s]
        there = present[0 if shared else s]
        for j in range(steps):
            counts[g, j] += there[j]
    return groups, counts


@kernel(OUT_INTS, INTS, INT_MATRIX)
def merge_counts(into: Any, groups: Any, counts: Any) -> None:
    """Add a block's counts [g, J] to those of all groups [G, J], in place."""
    steps = into.shape[1]
    for g in range(len(groups)):
        at = groups[g]
        for j in range(steps):
            into[at, j] += counts[g, j]


@kernel(OUT_MATRIX, OUT_MATRIX, INTS, MATRIX, MATRIX)
def merge_sums(total: Any, lost: Any, groups: Any, more: Any, more_lost: Any) -> None:
    """Add a block's sums [g, J] to those of all groups [G, J], in place: `add_pairs`."""
    steps = total.shape[1]
    for g in range(len(groups)):
        at = groups[g]
        for j in range(steps):
            sum_, value = total[at, j], more[g, j]
            grown = sum_ + value
            of_value = grown - sum_
            error = (sum_ - (grown - of_value)) + (value - of_value)
            error += lost[at, j] + more_lost[g, j]
            total[at, j] = grown
            lost[at, j] = error if grown - grown == 0.0 else 0.0
