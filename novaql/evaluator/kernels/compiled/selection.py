"""Selection of the best rows of groups."""

from __future__ import annotations

from typing import Any

from numba import types

from novaql.evaluator.kernels.compiled.jit import FLAG, INTS, OUT_COUNTS, OUT_VECTOR, inner, kernel

_MATRIX = types.Array(types.float64, 2, "C", readonly=True)
_MASK = types.Array(types.boolean, 2, "C", readonly=True)


@inner
def _precedes(value: float, other: float, largest: bool) -> bool:
    """Whether a value is better than another one: NaN is the worst of all."""
    if other != other:
        return value == value
    return value > other if largest else value < other


@kernel(_MATRIX, _MASK, INTS, INTS, FLAG, OUT_VECTOR, OUT_COUNTS, OUT_COUNTS)
def select_rows(
    values: Any,
    present: Any,
    group: Any,
    wanted: Any,
    largest: bool,
    best: Any,
    rows: Any,
    counts: Any,
) -> None:
    """`selection.best_rows`: the best `wanted` values of each group and step, best first.

    best, rows  [G · J · K] values and their rows
    counts      [G · J] how many there are; 0 at the beginning
    """
    steps = values.shape[1]
    most = len(rows) // max(len(counts), 1)
    for row in range(len(values)):
        first = group[row] * steps
        for step in range(steps):
            limit = min(wanted[step], most)
            if not present[row, step] or limit == 0:
                continue
            value = values[row, step]
            cell = first + step
            base, at = cell * most, counts[cell]
            if at < limit:
                counts[cell] += 1
            else:
                at -= 1
                if not _precedes(value, best[base + at], largest):
                    continue
            while at > 0 and _precedes(value, best[base + at - 1], largest):
                best[base + at], rows[base + at] = best[base + at - 1], rows[base + at - 1]
                at -= 1
            best[base + at], rows[base + at] = value, row
