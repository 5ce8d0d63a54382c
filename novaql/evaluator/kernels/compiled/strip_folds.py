"""Strips folded into the groups that their series belong to.

As `compiled.strips`: the cells of series begin…end - 1 lie in `values`, strip after strip. `place`
[S] is the row of each series in what is folded into. `present` tells which cells there are: of all
cells of all grids (`shared`), or of each cell of these series.
"""

from __future__ import annotations

from typing import Any

from novaql.evaluator.kernels.compiled.jit import (
    FLAG,
    FLAGS,
    INT,
    INTS,
    OUT_FLAGS,
    OUT_INTS,
    OUT_MATRIX,
    VECTOR,
    kernel,
)
from novaql.tsdb.runtime.numba_intrinsics import borrowed


@kernel(
    INTS, INTS, INTS, INTS, VECTOR, FLAGS, FLAG, FLAG, INT, INT,
    OUT_MATRIX, OUT_MATRIX, OUT_INTS,
)  # fmt: skip
def fold_sums(
    place: Any,
    grid: Any,
    first: Any,
    strip: Any,
    values: Any,
    present: Any,
    shared: bool,
    whole: bool,
    begin: int,
    end: int,
    total: Any,
    lost: Any,
    counts: Any,
) -> None:
    """Compensated sums. What an infinite sum lost means nothing and is for the caller to clear."""
    total, lost, counts = borrowed(total), borrowed(lost), borrowed(counts)
    values, present = borrowed(values), borrowed(present)
    at = 0
    for s in range(begin, end):
        a, b = strip[grid[s]], strip[grid[s] + 1]
        count = b - a
        j0 = first[grid[s]]
        if count == 1:  # making arrays of it would cost more than adding it
            if whole or (present[a] if shared else present[at]):
                p, value = place[s], values[at]
                so_far = total[p, j0]
                grown = so_far + value
                of_value = grown - so_far
                lost[p, j0] += (so_far - (grown - of_value)) + (value - of_value)
                total[p, j0] = grown
                counts[p, j0] += 1
            at += 1
            continue
        sums, errors = total[place[s], j0 : j0 + count], lost[place[s], j0 : j0 + count]
        numbers = counts[place[s], j0 : j0 + count]
        part = values[at : at + count]
        there = present[a:b] if shared else present[at : at + count]
        if whole:
            for k in range(count):
                grown = sums[k] + part[k]
                of_value = grown - sums[k]
                errors[k] += (sums[k] - (grown - of_value)) + (part[k] - of_value)
                sums[k] = grown
                numbers[k] += 1
        else:
            for k in range(count):
                value = part[k] if there[k] else 0.0
                grown = sums[k] + value
                of_value = grown - sums[k]
                errors[k] += (sums[k] - (grown - of_value)) + (value - of_value)
                sums[k] = grown
                numbers[k] += there[k]
        at += count


@kernel(
    INTS, INTS, INTS, INTS, VECTOR, FLAGS, FLAG, INT, INT, FLAG, OUT_MATRIX, OUT_FLAGS
)  # fmt: skip
def fold_extremes(
    place: Any,
    grid: Any,
    first: Any,
    strip: Any,
    values: Any,
    present: Any,
    shared: bool,
    begin: int,
    end: int,
    largest: bool,
    best: Any,
    seen: Any,
) -> None:
    """Minima or maxima; NaN gives way to any number."""
    best, seen = borrowed(best), borrowed(seen)
    values, present = borrowed(values), borrowed(present)
    sign = 1.0 if largest else -1.0
    at = 0
    for s in range(begin, end):
        a, b = strip[grid[s]], strip[grid[s] + 1]
        count = b - a
        j0 = first[grid[s]]
        into, some = best[place[s], j0 : j0 + count], seen[place[s], j0 : j0 + count]
        part = values[at : at + count]
        there = present[a:b] if shared else present[at : at + count]
        for k in range(count):
            value, so_far = part[k], into[k]
            better = there[k] and (sign * value > sign * so_far or so_far != so_far)
            into[k] = value if better else so_far
            some[k] |= there[k]
        at += count


@kernel(INTS, INTS, INTS, INTS, FLAGS, FLAG, INT, INT, OUT_MATRIX)
def fold_counts(
    place: Any,
    grid: Any,
    first: Any,
    strip: Any,
    present: Any,
    shared: bool,
    begin: int,
    end: int,
    counts: Any,
) -> None:
    """How many values."""
    present, counts = borrowed(present), borrowed(counts)
    at = 0
    for s in range(begin, end):
        a, b = strip[grid[s]], strip[grid[s] + 1]
        count = b - a
        j0 = first[grid[s]]
        numbers = counts[place[s], j0 : j0 + count]
        there = present[a:b] if shared else present[at : at + count]
        for k in range(count):
            numbers[k] += there[k]
        at += count


@kernel(
    INTS, INTS, INTS, INTS, VECTOR, FLAGS, FLAG, INT, INT, OUT_MATRIX, OUT_FLAGS
)  # fmt: skip
def spread(
    place: Any,
    grid: Any,
    first: Any,
    strip: Any,
    values: Any,
    present: Any,
    shared: bool,
    begin: int,
    end: int,
    out: Any,
    valid: Any,
) -> None:
    """Each series into a row of its own, [S, J]; cells that are not there stay as they are."""
    out, valid = borrowed(out), borrowed(valid)
    values, present = borrowed(values), borrowed(present)
    at = 0
    for s in range(begin, end):
        a, b = strip[grid[s]], strip[grid[s] + 1]
        count = b - a
        j0 = first[grid[s]]
        into, some = out[place[s], j0 : j0 + count], valid[place[s], j0 : j0 + count]
        part = values[at : at + count]
        there = present[a:b] if shared else present[at : at + count]
        for k in range(count):
            if there[k]:
                into[k] = part[k]
                some[k] = True
        at += count
