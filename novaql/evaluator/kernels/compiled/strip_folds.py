"""Strips folded into the groups that their series belong to.

`strip_cells` is a `dispatch.StripCells`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compiled.exact_rows import (
    EMPTY,
    HIGHEST,
    LARGE,
    NOT_SIGN,
    TERMS_A_ROW,
    UNCARRIED,
    add_cut,
    add_left,
    carry_row,
    high_cutter,
    largest_bits,
    low_cutter,
    raise_row,
    scale_for,
    with_space,
    without_large,
)
from novaql.evaluator.kernels.compiled.jit import (
    FLAG,
    OUT_COUNTS,
    OUT_FLAGS,
    OUT_INTS,
    OUT_MATRIX,
    OUT_VECTOR,
    STRIP_CELLS,
    kernel,
)
from novaql.tsdb.runtime.numba_intrinsics import bits_of, borrowed, float_of


@kernel(STRIP_CELLS, OUT_COUNTS, OUT_COUNTS, OUT_INTS, OUT_INTS, OUT_INTS)
def fold_sums(strip_cells: Any, scale: Any, added: Any, high: Any, low: Any, counts: Any) -> Any:
    """Exact sums, as `numerics.exact_sums`, and counts. Returns terms: (cells, values)."""
    place, grid, first, strip, values, present, shared, whole, begin, end = strip_cells
    scale, added, counts = borrowed(scale), borrowed(added), borrowed(counts)
    high, low = borrowed(high), borrowed(low)
    values, present = borrowed(values), borrowed(present)
    steps = high.shape[1]
    cells, terms, found = np.empty(0, np.int64), np.empty(0), 0
    at = 0
    for s in range(begin, end):
        a, b = strip[grid[s]], strip[grid[s] + 1]
        count = b - a
        j0 = first[grid[s]]
        p = place[s]
        if count == 1:  # creating arrays of it would cost more than adding it
            there_is = whole or (present[a] if shared else present[at])
            bits = bits_of(values[at]) & NOT_SIGN if there_is else 0  # as integers: by size
            now = scale[p]
            if bits == 0:
                counts[p, j0] += there_is
                at += 1
                continue
            if scale_for(bits) <= now and bits < LARGE and added[p] < UNCARRIED:
                value, upper, lower = (
                    values[at],
                    float_of(high_cutter(now)),
                    float_of(low_cutter(now)),
                )
                # The sum rounds the value at the bit where its upper integer ends: the bits that
                # the cutter gains are that integer. The same again for the lower one.
                cut = value + upper
                rest = value - (cut - upper)
                cut_rest = rest + lower
                if rest - (cut_rest - lower) == 0.0:
                    high[p, j0] += bits_of(cut) - bits_of(upper)
                    low[p, j0] += bits_of(cut_rest) - bits_of(lower)
                    counts[p, j0] += 1
                    added[p] += 1
                    at += 1
                    continue
        # A whole strip: first how many values each cell has.
        part = values[at : at + count]
        there = present[a:b] if shared else present[at : at + count]
        numbers = counts[p, j0 : j0 + count]
        if whole:
            for k in range(count):
                numbers[k] += 1
        else:
            for k in range(count):
                numbers[k] += there[k]
        at += count
        complete = whole
        # Values beyond every scale (very large, infinite, NaN) become terms.
        top = largest_bits(part, there, complete)
        if top >= LARGE:
            cells, terms = with_space(cells, terms, found, count)
            part, found = without_large(part, there, whole, p * steps + j0, cells, terms, found)
            complete = True
            top = largest_bits(part, there, complete)
        if top == 0:
            continue
        # The group's integers get the scale of the largest value so far. What falls off at the
        # lower end becomes terms, at most `TERMS_A_ROW` for each step. Before the spare bits of
        # the lower integers are used up, their carries move to the upper ones.
        needed = scale_for(top)
        if added[p] >= UNCARRIED or (scale[p] != EMPTY and needed > scale[p]):
            if carry_row(high[p], low[p]) >= HIGHEST:
                needed = max(needed, scale[p] + 1)
            added[p] = 0
            if needed > scale[p]:
                cells, terms = with_space(cells, terms, found, TERMS_A_ROW * steps)
                found = raise_row(high[p], low[p], scale[p], needed, p * steps, cells, terms, found)
        scale[p] = max(scale[p], needed)
        added[p] += 1
        # Now all values fit: add their integers. Bits below the lower ones become terms.
        into, below = high[p, j0 : j0 + count], low[p, j0 : j0 + count]
        if add_cut(part, there, complete, into, below, scale[p]) != 0:
            cells, terms = with_space(cells, terms, found, count)
            found = add_left(part, there, complete, scale[p], p * steps + j0, cells, terms, found)
    return cells[:found], terms[:found]


@kernel(STRIP_CELLS, FLAG, OUT_MATRIX, OUT_FLAGS)
def fold_extremes(strip_cells: Any, largest: bool, best: Any, seen: Any) -> None:
    """Minima or maxima; any number replaces NaN."""
    place, grid, first, strip, values, present, shared, _, begin, end = strip_cells
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


@kernel(STRIP_CELLS, OUT_MATRIX)
def fold_counts(strip_cells: Any, counts: Any) -> None:
    """Add the number of values."""
    place, grid, first, strip, _, present, shared, _, begin, end = strip_cells
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


@kernel(STRIP_CELLS, OUT_MATRIX, OUT_FLAGS)
def spread(strip_cells: Any, out: Any, valid: Any) -> None:
    """Copy each series into its own row, [S, J]; missing cells do not change."""
    place, grid, first, strip, values, present, shared, _, begin, end = strip_cells
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


@kernel(STRIP_CELLS, OUT_INTS, OUT_VECTOR)
def scatter(strip_cells: Any, places: Any, out: Any) -> None:
    """Write each value to the next place of its group and step, [G, J]."""
    place, grid, first, strip, values, present, shared, _, begin, end = strip_cells
    places, out = borrowed(places), borrowed(out)
    values, present = borrowed(values), borrowed(present)
    at = 0
    for s in range(begin, end):
        a, b = strip[grid[s]], strip[grid[s] + 1]
        count = b - a
        j0 = first[grid[s]]
        to = places[place[s], j0 : j0 + count]
        part = values[at : at + count]
        there = present[a:b] if shared else present[at : at + count]
        for k in range(count):
            if there[k]:
                out[to[k]] = part[k]
                to[k] += 1
        at += count
