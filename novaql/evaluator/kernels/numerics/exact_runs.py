"""Exact sums over runs of adjacent rows, by NumPy.

Rows are cut a piece at a time, so that all intermediate arrays stay in the processor's cache. All
groups are cut at one scale first, that of the largest value, because operations with one number
are several times as fast as those with a number for each row. Only if this leaves bits below the
unit, the rows are cut again, each at the scale of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from novaql.evaluator.kernels.numerics.error_free import Floats, Ints
from novaql.evaluator.kernels.numerics.exact_sums import (
    LARGE,
    UNCARRIED,
    ExactSums,
    cutters,
    scale_for,
)
from novaql.evaluator.kernels.runs import lengths_of, reduce_runs

AT_ONCE = 1 << 14
"""Values of a piece: 128 KiB."""

Split = Callable[[Floats], tuple[Floats, ...]]


def itself(values: Floats) -> tuple[Floats]:
    return (values,)


def sums_of_runs(
    rows: Floats, starts: Ints, split: Split = itself, sizes: Split = itself
) -> list[ExactSums]:
    """Sums over runs of rows [S, J]: one for each array that `split` returns.

    starts  [G] first row of each run, increasing, the first is 0
    split   values → what is summed of them, arrays of the same shape
    sizes   upper bounds of the absolute values of these, from absolute values
    """
    groups, steps = len(starts), rows.shape[1]
    found = [ExactSums(groups, steps) for _ in sizes(np.zeros(1))]
    if not rows.size:
        return found
    largest = np.maximum(rows.max(), -rows.min())
    if not largest < LARGE:
        row, step = np.nonzero(~(np.abs(rows) < LARGE))
        cell = (np.searchsorted(starts, row, "right") - 1) * steps + step
        for sums, part in zip(found, split(rows[row, step]), strict=True):
            sums.terms.add(cell, part)
        rows = rows.copy()
        rows[row, step] = 0.0
        largest = np.abs(rows).max()
    lengths = lengths_of(starts, len(rows))
    if not _add_pieces(found, rows, starts, lengths, split, sizes(largest[None])):
        of_row = np.maximum(rows.max(axis=1), -rows.min(axis=1))
        of_group = np.maximum.reduceat(of_row, starts)
        for sums in found:
            sums.high[:] = sums.low[:] = 0
        _add_pieces(found, rows, starts, lengths, split, sizes(of_group))
    for sums in found:
        sums.carry()
    return found


def _add_pieces(
    found: Sequence[ExactSums],
    rows: Floats,
    starts: Ints,
    lengths: Ints,
    split: Split,
    sizes: Sequence[Floats],
) -> bool:
    """Add the rows to sums that are 0.

    sizes  upper bounds of the absolute values of each sum: [G], or one for all groups. In that case
           the result is False, and the sums are incomplete, if bits are below the unit of a sum of
           several groups.
    """
    longest, uniform = int(lengths.max()), sizes[0].size < len(starts)
    spare_bits = max(0, longest.bit_length() - 12)
    bits = []
    for sums, size in zip(found, sizes, strict=True):
        sums.scale[:] = scale_for(size, spare_bits)
        bits.append(cutters(sums.scale[:1] if uniform else sums.scale))
    tall = max(1, AT_ONCE // rows.shape[1])
    if longest > UNCARRIED:
        tall = min(tall, UNCARRIED)
    buffers = np.empty((2, min(tall, len(rows)), rows.shape[1]))
    begin = 0
    while begin < len(rows):
        end = _end_of_piece(starts, begin, begin + tall, len(rows))
        groups = slice(*(np.searchsorted(starts, (begin + 1, end)) - (1, 0)))
        runs = np.maximum(starts[groups] - begin, 0)
        count = lengths_of(runs, end - begin)
        for sums, part, both in zip(found, split(rows[begin:end]), bits, strict=True):
            of_groups = [each[:, None] if uniform else each[groups, None] for each in both]
            left = _add_piece(sums, groups, part, runs, count, of_groups, buffers[:, : end - begin])
            if left is not None:
                if uniform and len(starts) > 1:
                    return False
                row, step = np.nonzero(left)
                group = groups.start + np.searchsorted(runs, row, "right") - 1
                sums.terms.add(group * rows.shape[1] + step, left[row, step])
            if longest > UNCARRIED:
                sums.carry_rows(groups)
        begin = end
    return True


def _end_of_piece(starts: Ints, begin: int, end: int, rows: int) -> int:
    """Where a piece ends: at the end of a run if one ends in it."""
    if end >= rows:
        return rows
    last = int(starts[np.searchsorted(starts, end, "right") - 1])
    return last if last > begin else end


def _add_piece(
    sums: ExactSums,
    groups: slice,
    rows: Floats,
    runs: Ints,
    count: Ints,
    bits: Sequence[Ints],
    buffers: Floats,
) -> Floats | None:
    """Add some rows, and return their bits below the unit; None: there are none.

    groups   those of the runs; runs, count: [g] first row and number of rows of each
    bits     of the high and of the low cutter, [g, 1] or one for all
    buffers  two arrays of the shape of `rows`, overwritten
    """
    cut: Floats = buffers[0]
    rest: Floats = buffers[1]
    for into, cutter in zip((sums.high, sums.low), bits, strict=True):
        of_rows = cutter if len(cutter) == 1 else np.repeat(cutter, count, axis=0)
        values = rows if into is sums.high else rest
        np.add(values, of_rows.view(np.float64), out=cut)
        into[groups] += reduce_runs(np.add, cut.view(np.int64), runs, 0) - count[:, None] * cutter
        np.subtract(cut, of_rows.view(np.float64), out=cut)
        np.subtract(values, cut, out=rest)
        if not rest.any():
            return None
    return rest
