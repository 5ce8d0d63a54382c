"""Rows of a block, ordered by their groups.

group [S] is the number of each row's group; values and present are [S, J]; present None: all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.dispatch import KERNELS, StripCells, floats, mask
from novaql.evaluator.kernels.numerics.exact_runs import Split, sums_of_runs
from novaql.evaluator.kernels.numerics.exact_sums import ExactSums
from novaql.evaluator.kernels.runs import lengths_of, numbered, reduce_runs
from novaql.evaluator.kernels.windows import Bools, Floats, Ints


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
        """The rows in order, with absent places filled."""
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


def as_strip_cells(group: Ints, values: Floats, present: Bools | None) -> tuple[Ints, StripCells]:
    """(groups that occur [g], rows of a block as strips of one grid, with places among these)."""
    groups, place = numbered(group)
    return groups, strip_cells(place, values, present)


def strip_cells(place: Ints, values: Floats, present: Bools | None) -> StripCells:
    """Rows of a block as strips of one grid. place: [S] row of each in the accumulator."""
    rows, steps = values.shape
    there = mask(present, steps)
    return StripCells(
        place, np.zeros(rows, np.int64), np.zeros(1, np.int64), np.array([0, steps]),
        floats(values, (values.size,)),
        there.reshape(-1), len(there) == 1, present is None, 0, rows,
    )  # fmt: skip


def by_group_and_step(
    parts: Sequence[StripCells], shape: tuple[int, int]
) -> tuple[Floats, Ints, Ints]:
    """Copy the values of each group and step next to each other.

    parts  their places are the groups of the series
    shape  [G, J], the numbers of groups and steps

    Returns the values, and [G, J] where those of each group and step begin, and how many they are.
    """
    numbers = np.zeros(shape)
    for cells in parts:
        KERNELS.call.fold_counts(tuple(cells), numbers)
    counts = numbers.astype(np.int64)
    ends = np.cumsum(counts).reshape(shape)
    values, places = np.empty(int(counts.sum())), ends - counts
    for cells in parts:
        KERNELS.call.scatter(tuple(cells), places, values)
    return values, ends - counts, counts


def exact_sums(
    group: Ints, values: Floats, present: Bools | None, split: Split, sizes: Split
) -> tuple[Ints, list[ExactSums], Ints]:
    """(groups of this block, sums, counts). values: [S, J], 0 where absent; split, sizes: as of
    `sums_of_runs`."""
    if KERNELS.ready(values.size) is None:
        runs = Runs(group)
        sums = sums_of_runs(runs.ordered(values), runs.starts, split, sizes)
        return runs.groups, sums, runs.counts(present, values)
    groups, cells = as_strip_cells(group, values, present)
    columns = split(values)
    found = [ExactSums(len(groups), values.shape[1]) for _ in columns]
    counts = np.zeros((len(groups), values.shape[1]), np.int64)
    for one, column in zip(found, columns, strict=True):
        counts[:] = 0
        one.add_strips(cells._replace(values=floats(column, (column.size,))), counts)
        one.carry()
    return groups, found, counts
