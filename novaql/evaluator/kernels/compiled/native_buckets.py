"""Buckets of native histograms, as `tsdb.model.histograms.Buckets` has them."""

from __future__ import annotations

import math
from typing import Any

from novaql.evaluator.kernels.compiled.jit import (
    BOUNDS,
    FLOAT,
    INTS,
    MATRIX,
    OUT_BOUNDS,
    OUT_COUNTS,
    OUT_MASK,
    OUT_MATRIX,
    OUT_VECTOR,
    VECTOR,
    inner,
    kernel,
)

# Slices, unlike places in a whole array, let the compiler compare several numbers at a time.


@inner
def _have_equal_numbers(one: Any, other: Any) -> bool:
    """Most rows have the buckets of the row before."""
    if len(one) != len(other):
        return False
    differing = 0
    for k in range(len(one)):
        differing += one[k] != other[k]
    return differing == 0


@inner
def _count_less(one: Any, other: Any) -> int:
    less = 0
    for k in range(len(one)):
        less += one[k] < other[k]
    return less


@kernel(INTS, BOUNDS, VECTOR, OUT_MASK)
def find_shrunk(offsets: Any, index: Any, population: Any, shrunk: Any) -> None:
    """`resets._rows_with_fewer`."""
    for row in range(1, len(offsets) - 1):
        before, at, stop = offsets[row - 1], offsets[row], offsets[row + 1]
        end = at
        if _have_equal_numbers(index[before:end], index[at:stop]):
            shrunk[row] |= _count_less(population[at:stop], population[before:end]) > 0
            continue
        for p in range(before, end):
            while at < stop and index[at] < index[p]:
                at += 1
            if at == stop or index[at] != index[p] or population[at] < population[p]:
                shrunk[row] = True
                break


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
        if _have_equal_numbers(index[at:end], other_index[other:stop]):
            numbers = index[at:end]
            ours, theirs = population[at:end], other_population[other:stop]
            for k in range(len(numbers)):
                found = ours[k] + sign * theirs[k]
                out_index[size] = numbers[k]
                out_population[size] = found
                size += found != 0
            out_offsets[row + 1] = size
            continue
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


@kernel(INTS, VECTOR, OUT_VECTOR)
def sum_running(offsets: Any, values: Any, out: Any) -> None:
    """`running.running_sums`."""
    for row in range(len(offsets) - 1):
        so_far = 0.0
        for p in range(offsets[row], offsets[row + 1]):
            so_far += values[p]
            out[p] = so_far


@kernel(MATRIX, INTS, INTS, OUT_MATRIX, OUT_MATRIX)
def sum_in_order(values: Any, rows: Any, starts: Any, total: Any, lost: Any) -> None:
    """`folds.in_order` of matrices. total and lost are 0 before."""
    for run in range(len(starts)):
        end = starts[run + 1] if run + 1 < len(starts) else len(rows)
        so_far, error = total[run], lost[run]
        so_far[:] = values[rows[starts[run]]]
        for k in range(starts[run] + 1, end):
            row = values[rows[k]]
            for j in range(len(row)):
                after = so_far[j] + row[j]
                of_value = after - so_far[j]
                more = (so_far[j] - (after - of_value)) + (row[j] - of_value) + error[j]
                error[j] = more if abs(after) < math.inf else 0.0
                so_far[j] = after
