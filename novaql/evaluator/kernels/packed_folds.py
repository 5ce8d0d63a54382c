"""Packed cells folded into groups, in the form that the accumulators of `group_reduce` merge."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.kernels.compensated import splittable, sum_split
from novaql.evaluator.kernels.group_reduce import Accumulator, Count, Sum
from novaql.evaluator.kernels.windows import Bools, Floats, Ints


def reduce_packed(
    accumulator: Accumulator,
    group: Ints,
    cells: Ints,
    values: Floats,
    valid: Bools | None,
    steps: int,
) -> Any:
    """What the accumulator merges of C cells of S series; None: it takes no packed cells.

    group: [S]; cells: [C] in a flat [S × steps], none twice; values, valid: [C]
    """
    if not isinstance(accumulator, Count | Sum):
        return None
    if valid is not None and not valid.all():
        cells, values = cells[valid], values[valid]
    groups, place = np.unique(group, return_inverse=True)
    shift = (place - np.arange(len(group))) * steps
    key = cells + shift[cells // steps]
    shape = (len(groups), steps)
    size = shape[0] * shape[1]
    counts = np.bincount(key, minlength=size).reshape(shape)
    if isinstance(accumulator, Count):
        return groups, counts
    largest = splittable(values)
    if largest is None:
        return None
    total, lost = sum_split(
        values,
        largest,
        len(group),
        lambda part: np.bincount(key, part, minlength=size).astype(np.float64, copy=False),
    )
    return (groups, total.reshape(shape), lost.reshape(shape), counts), None
