"""The best rows of each group, step by step."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints
from novaql.evaluator.kernels.windows import Bools, Floats, Ints

MOST = 32
"""Up to so many rows of a group, inserting each row among the best is faster than sorting all."""


def best_rows(
    values: Floats, present: Bools, group: Ints, groups: int, wanted: Ints, *, largest: bool
) -> tuple[Bools, Ints]:
    """Return which rows are among the best of their group, [S, J], and those of the first step:
    group by group, best first.

    values, present  [S, J]
    group            [S] the group of each row, below `groups`
    wanted           [J] how many rows of a group are wanted

    NaN comes after all numbers. Of equal values, the first row is the best.
    """
    sizes = np.bincount(group, minlength=groups)
    most = min(int(wanted.max(initial=0)), int(sizes.max(initial=0)))
    compiled = KERNELS.ready(values.size) if most <= MOST and most * groups <= len(group) else None
    if compiled is None:
        return _sorted(values, present, group, sizes, wanted, largest=largest)
    steps = values.shape[1]
    best, counts = np.empty(groups * steps * most), np.zeros(groups * steps, np.int64)
    rows = np.empty(len(best), np.int64)
    columns = floats(values, values.shape), np.ascontiguousarray(present)
    compiled.select_rows(*columns, ints(group), ints(wanted), largest, best, rows, counts)
    filled = np.arange(most) < counts[:, None]
    row = rows.reshape(len(counts), most)[filled]
    cell = np.broadcast_to(np.arange(len(counts))[:, None], filled.shape)[filled]
    step = cell % max(steps, 1)
    chosen = np.zeros(values.shape, np.bool_)
    chosen[row, step] = True
    return chosen, row[step == 0]


def _sorted(
    values: Floats, present: Bools, group: Ints, sizes: Ints, wanted: Ints, *, largest: bool
) -> tuple[Bools, Ints]:
    """`best_rows` by sorting all rows."""
    place = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    nan = np.isnan(values)
    size = np.where(nan, 0.0, -values if largest else values)
    of_row = np.broadcast_to(group[:, None], size.shape)
    by_rank = np.lexsort((size, nan, ~present, of_row), axis=0)
    best = np.zeros(present.shape, np.bool_)
    np.put_along_axis(best, by_rank, place[:, None] < wanted, axis=0)
    chosen = best & present
    ranked = by_rank[:, 0]
    return chosen, ranked[chosen[ranked, 0]]
