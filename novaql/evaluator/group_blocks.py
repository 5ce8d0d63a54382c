"""Values of a matrix by groups: groups of one size, and a stretch of steps, at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matrix import StepMatrix
from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class GroupBlock:
    """Groups [g] with the same number n of rows.

    groups   their numbers
    rows     [n, g]: of the matrix
    steps    the steps j of the block
    values, present  [n, g, j]
    """

    groups: Ints
    rows: Ints
    steps: slice
    values: Floats
    present: Bools


def group_blocks(context: Context, operand: StepMatrix, groups: Groups) -> Iterator[GroupBlock]:
    """All groups that have rows, at all steps, with checkpoints between blocks."""
    present = operand.presence()
    order = np.argsort(groups.of_row, kind="stable")
    sizes = np.bincount(groups.of_row, minlength=len(groups))
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 0]).tolist():
        of_size = np.flatnonzero(sizes == size)
        rows = order[starts[of_size] + np.arange(size)[:, None]]
        for steps in context.stretches(rows.size, operand.steps):
            yield GroupBlock(
                of_size, rows, steps, operand.values[rows, steps], present[rows, steps]
            )
