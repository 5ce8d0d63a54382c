"""Partial results of some groups [g, J] merged into those of all groups [G, J], and sums rounded.

groups: [g] numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.exact_rows import (
    EMPTY,
    TERMS_A_ROW,
    carry_row,
    raise_row,
    with_space,
)
from novaql.evaluator.kernels.compiled.jit import (
    INT_MATRIX,
    INTS,
    OUT_COUNTS,
    OUT_INTS,
    OUT_MATRIX,
    VECTOR,
    kernel,
)


@kernel(OUT_INTS, INTS, INT_MATRIX)
def merge_counts(into: Any, groups: Any, counts: Any) -> None:
    """Add a block's counts [g, J] to those of all groups [G, J], in place."""
    steps = into.shape[1]
    for g in range(len(groups)):
        at = groups[g]
        for j in range(steps):
            into[at, j] += counts[g, j]


@kernel(OUT_COUNTS, OUT_INTS, OUT_INTS, INTS, INTS, OUT_INTS, OUT_INTS)
def merge_exact(
    scale: Any, high: Any, low: Any, groups: Any, more_scale: Any, more: Any, more_low: Any
) -> Any:
    """Add a block's exact sums [g, J] to those of all groups [G, J], in place, at the larger scale
    of both; those of the block are overwritten.

    Returns (the largest absolute value of `high`, cells and values of the terms that this makes).
    """
    steps = high.shape[1]
    cells, terms, found, largest = np.empty(0, np.int64), np.empty(0), 0, 0
    for g in range(len(groups)):
        at = groups[g]
        into, below = high[at], low[at]
        old, new = scale[at], more_scale[g]
        if old != new and old != EMPTY and new != EMPTY:
            cells, terms = with_space(cells, terms, found, TERMS_A_ROW * steps)
            upper, lower = (into, below) if old < new else (more[g], more_low[g])
            found = raise_row(
                upper, lower, min(old, new), max(old, new), at * steps, cells, terms, found
            )
        scale[at] = max(old, new)
        for j in range(steps):
            into[j] += more[g, j]
            below[j] += more_low[g, j]
        largest = max(largest, carry_row(into, below))
    return largest, cells[:found], terms[:found]


@kernel(OUT_INTS, OUT_INTS)
def carry_exact(high: Any, low: Any) -> int:
    """Bring `low` of all groups within ± 2^51. Returns the largest absolute value of `high`."""
    largest = 0
    for g in range(len(high)):
        largest = max(largest, carry_row(high[g], low[g]))
    return largest


@kernel(INT_MATRIX, INT_MATRIX, VECTOR, VECTOR, OUT_MATRIX, OUT_MATRIX)
def round_exact(high: Any, low: Any, high_unit: Any, low_unit: Any, total: Any, lost: Any) -> int:
    """The first two numbers of `numerics.rounding.expansion`, provided that no `high` is 2^53 or
    more. Units are [G]. Returns the largest absolute value of `high`."""
    largest = 0
    for g in range(len(high)):
        upper_unit, lower_unit = high_unit[g], low_unit[g]
        for j in range(high.shape[1]):
            largest = max(largest, abs(high[g, j]))
            upper, lower = high[g, j] * upper_unit, low[g, j] * lower_unit
            rounded = upper + lower
            of_lower = rounded - upper
            total[g, j] = rounded
            lost[g, j] = (upper - (rounded - of_lower)) + (lower - of_lower)
    return largest
