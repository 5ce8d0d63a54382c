"""Buckets of native histograms, as `tsdb.model.histograms.Buckets` has them."""

from __future__ import annotations

from typing import Any

from novaql.evaluator.kernels.compiled.jit import (
    BOUNDS,
    FLOAT,
    INTS,
    OUT_BOUNDS,
    OUT_COUNTS,
    OUT_MASK,
    OUT_VECTOR,
    VECTOR,
    kernel,
)


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
        begin, end = offsets[row], offsets[row + 1]
        at, stop = later_offsets[row], later_offsets[row + 1]
        if end - begin == stop - at:  # most rows have the buckets of the row before
            differing = 0
            for k in range(end - begin):
                differing += index[begin + k] != later_index[at + k]
                fewer[begin + k] = later_population[at + k] < population[begin + k]
            if not differing:
                continue
        for p in range(begin, end):
            while at < stop and later_index[at] < index[p]:
                at += 1
            is_there = at < stop and later_index[at] == index[p]
            fewer[p] = not is_there or later_population[at] < population[p]


@kernel(
    INTS,
    BOUNDS,
    VECTOR,
    INTS,
    INTS,
    BOUNDS,
    VECTOR,
    INTS,
    FLOAT,
    OUT_COUNTS,
    OUT_BOUNDS,
    OUT_VECTOR,
)
def combine_buckets(
    offsets: Any,
    index: Any,
    population: Any,
    rows: Any,
    other_offsets: Any,
    other_index: Any,
    other_population: Any,
    other_rows: Any,
    sign: float,
    out_offsets: Any,
    out_index: Any,
    out_population: Any,
) -> None:
    """`pairs.combined_buckets`."""
    size = 0
    out_offsets[0] = 0
    for row in range(len(rows)):
        at, end = offsets[rows[row]], offsets[rows[row] + 1]
        other, stop = 0, 0
        if other_rows[row] >= 0:
            other, stop = other_offsets[other_rows[row]], other_offsets[other_rows[row] + 1]
        while at < end or other < stop:
            if other == stop or (at < end and index[at] < other_index[other]):
                number, found = index[at], population[at]
                at += 1
            elif at == end or other_index[other] < index[at]:
                number, found = other_index[other], sign * other_population[other]
                other += 1
            else:
                number, found = index[at], population[at] + sign * other_population[other]
                at += 1
                other += 1
            if found != 0:
                out_index[size] = number
                out_population[size] = found
                size += 1
        out_offsets[row + 1] = size
