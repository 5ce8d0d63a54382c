"""What was found of some groups [g, J] added to that of all groups [G, J]. groups: [g] numbers."""

from __future__ import annotations

from typing import Any

from novaql.evaluator.kernels.compiled.exact_rows import carry_row
from novaql.evaluator.kernels.compiled.jit import INT_MATRIX, INTS, OUT_INTS, kernel


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
