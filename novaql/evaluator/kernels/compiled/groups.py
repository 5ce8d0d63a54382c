"""Partial results of some groups [g, J] merged into those of all groups [G, J], and sums rounded.

groups: [g] numbers.
"""

from __future__ import annotations

from typing import Any

from novaql.evaluator.kernels.compiled.exact_rows import carry_row
from novaql.evaluator.kernels.compiled.jit import (
    INT_MATRIX,
    INTS,
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


@kernel(OUT_INTS, OUT_INTS, INTS, INT_MATRIX, INT_MATRIX)
def merge_exact(high: Any, low: Any, groups: Any, more: Any, more_low: Any) -> int:
    """Add a block's exact sums [g, J] to those of all groups [G, J], in place; scales are equal.

    Returns the largest absolute value of `high`.
    """
    largest = 0
    for g in range(len(groups)):
        at = groups[g]
        into, below = high[at], low[at]
        for j in range(high.shape[1]):
            into[j] += more[g, j]
            below[j] += more_low[g, j]
        largest = max(largest, carry_row(into, below))
    return largest


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
