"""Rows of a block, by the groups they belong to.

group [S] is the number of each row's group; values and present are [S, J]; present None: all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.dispatch import KERNELS, floats, mask
from novaql.evaluator.kernels.numerics.exact_runs import Split, itself, sums_of_runs
from novaql.evaluator.kernels.numerics.exact_sums import ExactSums
from novaql.evaluator.kernels.runs import lengths_of, reduce_runs
from novaql.evaluator.kernels.windows import Bools, Floats, Ints

SPARSE = 8
"""Group numbers for each row from which on sorting them is quicker than a table of all."""


class Runs:
    """Rows brought into the order of their groups; order: None where they are in it."""

    __slots__ = ("groups", "longest", "order", "starts")

    def __init__(self, group: Ints) -> None:
        self.order = None
        if not (group[1:] >= group[:-1]).all():
            self.order = np.argsort(group, kind="stable")
            group = group[self.order]
        begins = np.ones(len(group), np.bool_)
        np.not_equal(group[1:], group[:-1], out=begins[1:])
        (self.starts,) = begins.nonzero()
        self.groups = group[self.starts]
        self.longest = int(self.lengths(len(group)).max(initial=0))

    def lengths(self, rows: int) -> Ints:
        return lengths_of(self.starts, rows)

    def ordered(self, values: NDArray[Any]) -> NDArray[Any]:
        """Rows in order. May be `values` itself."""
        return values if self.order is None else values[self.order]

    def rows(self, values: Floats, present: Bools | None, absent: float) -> Floats:
        """The same, absent places filled."""
        if present is None:
            return self.ordered(values)
        return np.where(self.ordered(present), self.ordered(values), absent)

    def counts(self, present: Bools | None, values: Floats) -> Ints:
        """[groups of this block, J]: values present."""
        rows, steps = values.shape
        if present is None:
            lengths = self.lengths(rows)
            return np.broadcast_to(lengths[:, None], (len(lengths), steps))
        # Narrow numbers are added several at a time.
        narrow = np.uint8 if self.longest < 256 else np.uint32
        flags = self.ordered(present).view(np.uint8).astype(narrow, copy=False)
        return reduce_runs(np.add, flags, self.starts, 0).astype(np.int64)


class AsStrips:
    """Rows of a block as the strips of one grid, which compiled folds take.

    groups   [g] those of the block; shape: (g, J)
    place    [S] of each row's group among them
    where    grid of each row, first step and cells of the grid
    present  [J] where all rows agree (`shared`), else [S × J]
    """

    __slots__ = ("groups", "place", "present", "shape", "shared", "where")

    def __init__(self, group: Ints, present: Bools | None, shape: tuple[int, int]) -> None:
        rows, steps = shape
        self.groups, self.place = _numbered(group)
        self.shape = len(self.groups), steps
        self.where = np.zeros(rows, np.int64), np.zeros(1, np.int64), np.array([0, steps])
        flags = mask(present, steps)
        self.present, self.shared = flags.reshape(-1), len(flags) == 1

    @staticmethod
    def flat(values: Floats) -> Floats:
        return floats(values, (values.size,))


def _numbered(group: Ints) -> tuple[Ints, Ints]:
    """(the groups that occur [g], place of each row's group among them [S])."""
    lowest, highest = int(group.min(initial=0)), int(group.max(initial=0))
    if highest - lowest > SPARSE * len(group):
        groups, place = np.unique(group, return_inverse=True)
        return groups, place
    occurs = np.zeros(highest - lowest + 1, np.bool_)
    occurs[group - lowest] = True
    return np.flatnonzero(occurs) + lowest, (np.cumsum(occurs) - 1)[group - lowest]


def exact_sums(
    group: Ints, values: Floats, present: Bools | None, split: Split = itself, sizes: Split = itself
) -> tuple[Ints, list[ExactSums], Ints]:
    """(groups of this block, sums, counts). values: [S, J]; absent ones are 0 unless `split` is
    `itself`. split, sizes: as of `sums_of_runs`."""
    if KERNELS.ready(values.size) is None:
        runs = Runs(group)
        sums = sums_of_runs(runs.rows(values, present, 0.0), runs.starts, split, sizes)
        return runs.groups, sums, runs.counts(present, values)
    strips = AsStrips(group, present, values.shape)
    columns = split(values)
    found = [ExactSums(*strips.shape) for _ in columns]
    counts = np.zeros(strips.shape, np.int64)
    for one, column in zip(found, columns, strict=True):
        counts[:] = 0
        one.add_strips(
            strips.place,
            strips.where,
            strips.flat(column),
            (strips.present, strips.shared, present is None),
            (0, len(group)),
            counts,
        )
        one.carry()
    return strips.groups, found, counts
