"""The best rows of each group, step by step."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.fast_dataclass import dataclass

MOST = 32
"""Up to this many rows of a group, inserting each row among the best is faster than sorting all."""


class Order(IntEnum):
    """Which rows are the best. NaN comes after all numbers; of equal values, the first row is the
    best."""

    LARGEST = 1
    SMALLEST = -1
    FIRST = 0


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """The best cells of each group and step among those that were added, in any order of rows.
    Compiled kernels must be ready.

    wanted      [J] how many rows of a group are selected
    best, rows  [G · J · K] values and their rows, best first; K: the most that are selected
    counts      [G · J] how many there are
    """

    wanted: Ints
    order: Order
    best: Floats
    rows: Ints
    counts: Ints

    @classmethod
    def empty(cls, groups: int, wanted: Ints, order: Order) -> Selected:
        cells, most = groups * len(wanted), int(wanted.max(initial=0))
        counts = np.zeros(cells, np.int64)
        return cls(ints(wanted), order, np.empty(cells * most), np.empty(cells * most, int), counts)

    def add(self, values: Floats, present: Bools, group: Ints, rows: Ints) -> None:
        """values, present: [S, J]; group: [S]; rows: [S] the number of each row."""
        columns = floats(values, values.shape), np.ascontiguousarray(present)
        KERNELS.call.select_cells(
            *columns, ints(rows), ints(group), self.wanted, int(self.order), *self._arrays
        )

    def merge(self, other: Selected) -> None:
        KERNELS.call.merge_cells(*other._arrays, self.wanted, int(self.order), *self._arrays)

    @property
    def _arrays(self) -> tuple[Floats, Ints, Ints]:
        return self.best, self.rows, self.counts

    def cells(self) -> tuple[Ints, Ints, Floats]:
        """Return row, step and value of each: group by group, step by step, best first."""
        filled = np.arange(len(self.rows) // max(len(self.counts), 1)) < self.counts[:, None]
        steps = np.arange(len(self.counts)) % max(len(self.wanted), 1)
        step = np.repeat(steps, self.counts)
        return (
            self.rows.reshape(filled.shape)[filled],
            step,
            self.best.reshape(filled.shape)[filled],
        )


def best_rows(
    values: Floats, present: Bools, group: Ints, groups: int, wanted: Ints, order: Order
) -> tuple[Bools, Ints]:
    """Return which rows are among the best of their group, [S, J], and those of the first step:
    group by group, best first.

    values, present  [S, J]
    group            [S] the group of each row, below `groups`
    wanted           [J] how many rows of a group are selected
    """
    sizes = np.bincount(group, minlength=groups)
    wanted = np.minimum(wanted, sizes.max(initial=0))
    most = int(wanted.max(initial=0))
    compiled = KERNELS.ready(values.size) if most <= MOST and most * groups <= len(group) else None
    if compiled is None:
        choose = _first if order is Order.FIRST else _sorted
        return choose(values, present, group, sizes, wanted, order)
    selected = Selected.empty(groups, wanted, order)
    selected.add(values, present, group, np.arange(len(group)))
    row, step, _ = selected.cells()
    chosen = np.zeros(values.shape, np.bool_)
    chosen[row, step] = True
    return chosen, row[step == 0]


def _sorted(
    values: Floats, present: Bools, group: Ints, sizes: Ints, wanted: Ints, order: Order
) -> tuple[Bools, Ints]:
    """`best_rows` by sorting all rows."""
    place = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    nan = np.isnan(values)
    size = np.where(nan, 0.0, -values if order is Order.LARGEST else values)
    of_row = np.broadcast_to(group[:, None], size.shape)
    by_rank = np.lexsort((size, nan, ~present, of_row), axis=0)
    best = np.zeros(present.shape, np.bool_)
    np.put_along_axis(best, by_rank, place[:, None] < wanted, axis=0)
    chosen = best & present
    ranked = by_rank[:, 0]
    return chosen, ranked[chosen[ranked, 0]]


def _first(
    _values: Floats, present: Bools, group: Ints, sizes: Ints, wanted: Ints, _order: Order
) -> tuple[Bools, Ints]:
    """`best_rows` by counting rows."""
    by_group = np.argsort(group, kind="stable")
    first = np.cumsum(sizes) - sizes
    there = present[by_group]
    running = np.zeros((len(there) + 1, there.shape[1]), np.int32)
    there.cumsum(axis=0, out=running[1:])
    number = running[1:] - np.repeat(running[first], sizes, axis=0)
    chosen = np.zeros(present.shape, np.bool_)
    chosen[by_group] = there & (number <= wanted)
    return chosen, by_group[chosen[by_group, 0]]
