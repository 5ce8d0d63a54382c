"""Selection of the best cells of groups.

order: 1: the largest values; -1: the smallest; 0: those of the first rows. NaN is the worst value,
and of equal ones that of the first row is the best, so the selection does not depend on the order
in which cells come.
"""

from __future__ import annotations

from typing import Any

from novaql.evaluator.kernels.compiled.jit import (
    INT,
    INTS,
    MASK,
    MATRIX,
    OUT_COUNTS,
    OUT_VECTOR,
    VECTOR,
    inner,
    kernel,
)


@inner
def _precedes(value: float, row: int, other: float, other_row: int, order: int) -> bool:
    """Whether a cell is better than another one."""
    if order != 0:
        if value != value or other != other:
            if value == value or other == other:
                return value == value
        elif value != other:
            return value > other if order > 0 else value < other
    return row < other_row


@inner
def _insert(value: float, row: int, base: int, at: int, order: int, best: Any, rows: Any) -> None:
    """Put a cell in its place among those from `base` on. at: the place that is free."""
    while at > 0 and _precedes(value, row, best[base + at - 1], rows[base + at - 1], order):
        best[base + at], rows[base + at] = best[base + at - 1], rows[base + at - 1]
        at -= 1
    best[base + at], rows[base + at] = value, row


@kernel(MATRIX, MASK, INTS, INTS, INTS, INT, OUT_VECTOR, OUT_COUNTS, OUT_COUNTS)
def select_cells(
    values: Any,
    present: Any,
    numbers: Any,
    group: Any,
    wanted: Any,
    order: int,
    best: Any,
    rows: Any,
    counts: Any,
) -> None:
    """`selection.Selected.add`: cells of rows with these numbers; `wanted` [J]: how many at a step.

    best, rows  [G · J · K] values and their rows, best first
    counts      [G · J] how many there are
    """
    steps, most = values.shape[1], len(rows) // max(len(counts), 1)
    for row in range(len(values)):
        first, number = group[row] * steps, numbers[row]
        for step in range(steps):
            if not present[row, step] or wanted[step] <= 0:
                continue
            value, cell = values[row, step], first + step
            base, at = cell * most, counts[cell]
            if at < wanted[step]:
                counts[cell] += 1
            else:
                at -= 1
                if not _precedes(value, number, best[base + at], rows[base + at], order):
                    continue
            _insert(value, number, base, at, order, best, rows)


@kernel(VECTOR, INTS, INTS, INTS, INT, OUT_VECTOR, OUT_COUNTS, OUT_COUNTS)
def merge_cells(
    more: Any,
    more_rows: Any,
    more_counts: Any,
    wanted: Any,
    order: int,
    best: Any,
    rows: Any,
    counts: Any,
) -> None:
    """`selection.Selected.merge`: cells that were selected elsewhere."""
    steps, most = len(wanted), len(rows) // max(len(counts), 1)
    for cell in range(len(counts)):
        base = cell * most
        for other in range(base, base + more_counts[cell]):
            value, number, at = more[other], more_rows[other], counts[cell]
            if at < wanted[cell % steps]:
                counts[cell] += 1
            else:
                at -= 1
                if not _precedes(value, number, best[base + at], rows[base + at], order):
                    break
            _insert(value, number, base, at, order, best, rows)
