"""Packed cells folded into groups, in the form that the accumulators of `group_reduce` merge."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from novaql.evaluator.kernels.group_reduce import Accumulator, Count, Sum
from novaql.evaluator.kernels.numerics.exact_sums import ExactSums
from novaql.evaluator.kernels.windows import Bools, Floats, Ints


def takes_packed(accumulator: Accumulator) -> TypeGuard[Count | Sum]:
    """Whether an accumulator merges what `reduce_packed` returns."""
    return isinstance(accumulator, Count | Sum)


def reduce_packed(
    accumulator: Count | Sum,
    group: Ints,
    cells: Ints,
    values: Floats,
    valid: Bools | None,
    steps: int,
) -> Any:
    """What the accumulator merges of C cells of S series.

    group: [S]; cells: [C] in a flat [S × steps], none twice; values, valid: [C]
    """
    if valid is not None and not valid.all():
        cells, values = cells[valid], values[valid]
    groups, place = np.unique(group, return_inverse=True)
    shift = (place - np.arange(len(group))) * steps
    key = cells + shift[cells // steps]
    shape = (len(groups), steps)
    counts = np.bincount(key, minlength=shape[0] * shape[1]).reshape(shape)
    if isinstance(accumulator, Count):
        return groups, counts
    return groups, ExactSums.of_cells(*shape, key, values), counts
