"""Buckets of native histograms, as `tsdb.model.histograms.Buckets` has them."""

from __future__ import annotations

from typing import Any

from novaql.evaluator.kernels.compiled.jit import BOUNDS, INTS, OUT_MASK, VECTOR, kernel


@kernel(INTS, BOUNDS, VECTOR, INTS, BOUNDS, VECTOR, OUT_MASK)
def find_fewer(
    offsets: Any,
    index: Any,
    population: Any,
    later_offsets: Any,
    later_index: Any,
    later_population: Any,
    fewer: Any,
) -> None:
    """`resets._has_fewer`."""
    for row in range(len(offsets) - 1):
        at, end = later_offsets[row], later_offsets[row + 1]
        for p in range(offsets[row], offsets[row + 1]):
            while at < end and later_index[at] < index[p]:
                at += 1
            is_there = at < end and later_index[at] == index[p]
            fewer[p] = not is_there or later_population[at] < population[p]
