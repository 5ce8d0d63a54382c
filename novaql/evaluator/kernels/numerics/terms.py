"""Values that are added to cells at the end, because they do not fit the integers of
`ExactSums`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from novaql.evaluator.kernels.numerics.error_free import Floats, Ints
from novaql.evaluator.kernels.numerics.full_range import FullRange
from novaql.evaluator.kernels.runs import numbered

MANY_TERMS = 1 << 20
"""Terms from which on those of one cell are replaced by fewer that have the same sum."""
CELLS_AT_ONCE = 1 << 11
"""Cells that are summed at one time: 1 MiB of digits."""
LARGEST_ADDED = 2.0**900
"""Terms that are not smaller are not replaced: their sum may overflow."""


class Terms:
    """Pairs of a cell, numbered in any way, and a value."""

    __slots__ = ("_count", "_pairs", "_replaced")

    def __init__(self) -> None:
        self._pairs: list[tuple[Ints, Floats]] = []
        self._count = self._replaced = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, cell: Ints, values: Floats) -> None:
        if len(values):
            self._pairs.append((cell, values))
            self._count += len(values)

    def all(self) -> tuple[Ints, Floats]:
        """(cell, value), in no order."""
        if len(self._pairs) > 1:
            cells, values = zip(*self._pairs, strict=True)
            self._pairs = [(np.concatenate(cells), np.concatenate(values))]
        return self._pairs[0] if self._pairs else (np.zeros(0, np.int64), np.zeros(0))

    def by_cell(self) -> Iterator[tuple[Ints, Ints, Floats]]:
        """Cells, some at a time, and their terms: (cells [c], place among them [t], value [t])."""
        if not self._count:
            return
        cell, values = self.all()
        cells, place = numbered(cell)
        if len(cells) <= CELLS_AT_ONCE:  # few cells that have many terms: without sorting these
            yield cells, place, values
            return
        order = np.argsort(place, kind="stable")
        place, values = place[order], values[order]
        for begin in range(0, len(cells), CELLS_AT_ONCE):
            a, b = place.searchsorted((begin, begin + CELLS_AT_ONCE)).tolist()
            yield cells[begin : begin + CELLS_AT_ONCE], place[a:b] - begin, values[a:b]

    def shrink(self) -> None:
        """Replace terms by fewer ones of the same sum where there are many."""
        if self._count < max(MANY_TERMS, 2 * self._replaced):
            return
        cell, values = self.all()
        added = np.abs(values) < LARGEST_ADDED
        finite = np.isfinite(values)
        rest = Terms()
        rest.add(cell[finite & ~added], values[finite & ~added])
        for odd in (np.inf, -np.inf, np.nan):
            same = np.isnan(values) if np.isnan(odd) else values == odd
            cells = np.unique(cell[same])
            rest.add(cells, np.full(len(cells), odd))
        self._pairs = [(cell[added], values[added])]
        for cells, place, some in self.by_cell():
            exact = FullRange(len(cells))
            exact.add(place, some)
            at, digits = exact.digits()
            rest.add(cells[at], digits)
        self._pairs, self._count = rest._pairs, rest._count
        self._replaced = self._count
