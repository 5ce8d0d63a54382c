"""Folding blocks of rows into groups, one accumulator row per group.

Every accumulator has `add(group [S], values [S, J], present [S, J] or None)` and
`finish() -> (values [G, J], valid [G, J])`. A group without any value at a step is absent there.
Partial accumulators of the same kind can be merged in any order.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from novaql.evaluator.kernels.compensated import add_pairs, sum_runs
from novaql.evaluator.kernels.windows import Bools, Floats, Ints


class Accumulator(Protocol):
    """Folds rows into groups; see the module's docstring for shapes."""

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None: ...

    def finish(self) -> tuple[Floats, Bools]: ...


class _Runs:
    """Rows brought into the order of their groups."""

    __slots__ = ("groups", "order", "starts")

    def __init__(self, group: Ints) -> None:
        self.order = np.argsort(group, kind="stable")
        ordered = group[self.order]
        self.starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self.groups = ordered[self.starts]

    def rows(self, values: Floats, present: Bools | None, absent: float) -> Floats:
        """Rows in order, absent places filled."""
        if present is None:
            return values[self.order]
        return np.where(present[self.order], values[self.order], absent)

    def counts(self, present: Bools | None, steps: int) -> Ints:
        """[groups of this block, J]: values present."""
        lengths = np.diff(self.starts, append=len(self.order))
        if present is None:
            return np.broadcast_to(lengths[:, None], (len(lengths), steps))
        return np.add.reduceat(present[self.order].astype(np.int64), self.starts, axis=0)


class Count:
    """How many values."""

    def __init__(self, groups: int, steps: int) -> None:
        self.counts = np.zeros((groups, steps), np.int64)

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        runs = _Runs(group)
        self.counts[runs.groups] += runs.counts(present, values.shape[1])

    def finish(self) -> tuple[Floats, Bools]:
        return self.counts.astype(np.float64), self.counts > 0


class Group(Count):
    """1 where there is any value."""

    def finish(self) -> tuple[Floats, Bools]:
        return np.ones(self.counts.shape), self.counts > 0


class Sum:
    """Compensated sum."""

    def __init__(self, groups: int, steps: int) -> None:
        self.total = np.zeros((groups, steps))
        self.lost = np.zeros((groups, steps))
        self.counts = np.zeros((groups, steps), np.int64)

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        runs = _Runs(group)
        total, lost = sum_runs(runs.rows(values, present, 0.0), runs.starts)
        at = runs.groups
        self.total[at], self.lost[at] = add_pairs(self.total[at], self.lost[at], total, lost)
        self.counts[at] += runs.counts(present, values.shape[1])

    def finish(self) -> tuple[Floats, Bools]:
        return self.total + self.lost, self.counts > 0


class Mean(Sum):
    """Sum divided by count. Beside it a sum of scaled values, for where the sum overflows."""

    SCALE = 2.0**-64

    def __init__(self, groups: int, steps: int) -> None:
        super().__init__(groups, steps)
        self.scaled: Sum | None = None

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        if self.scaled is None and np.abs(values).max(initial=0.0) > 1e290:
            # From here on both sums are kept. What came before is small enough to be scaled now.
            self.scaled = Sum(*self.total.shape)
            self.scaled.total = self.total * self.SCALE
            self.scaled.lost = self.lost * self.SCALE
        super().add(group, values, present)
        if self.scaled is not None:
            self.scaled.add(group, values * self.SCALE, present)

    def finish(self) -> tuple[Floats, Bools]:
        n = np.maximum(self.counts, 1)
        mean = self.total / n + self.lost / n
        if self.scaled is not None:
            spare = (self.scaled.total / n + self.scaled.lost / n) / self.SCALE
            mean = np.where(np.isfinite(self.total), mean, spare)
        return mean, self.counts > 0


class Extreme:
    """Minimum or maximum; NaN only where all values are."""

    def __init__(self, groups: int, steps: int, choose: np.ufunc) -> None:
        self._choose = choose
        self.best = np.full((groups, steps), np.nan)
        self.seen = np.zeros((groups, steps), np.bool_)

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        runs = _Runs(group)
        rows = runs.rows(values, present, np.nan)
        at = runs.groups
        self.best[at] = self._choose(
            self.best[at], self._choose.reduceat(rows, runs.starts, axis=0)
        )
        self.seen[at] |= runs.counts(present, values.shape[1]) > 0

    def finish(self) -> tuple[Floats, Bools]:
        return self.best, self.seen


class Variance:
    """Population variance: count, mean and sum of squared deviations per group, merged by

    T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for
    Computing Sample Variances" (1979).
    """

    def __init__(self, groups: int, steps: int, *, root: bool) -> None:
        self._root = root
        shape = (groups, steps)
        self.counts = np.zeros(shape, np.int64)
        self.mean = np.zeros(shape)
        self.squares = np.zeros(shape)

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        runs = _Runs(group)
        rows = runs.rows(values, present, 0.0)
        n = runs.counts(present, values.shape[1])
        lengths = np.diff(runs.starts, append=len(runs.order))
        # Distances from one of the values, so that equal values have a variance of exactly 0.
        pivot = np.fmin.reduceat(runs.rows(values, present, np.nan), runs.starts, axis=0)
        pivot = np.where(np.isfinite(pivot), pivot, 0.0)
        away = rows - np.repeat(pivot, lengths, axis=0)
        if present is not None:
            away = np.where(present[runs.order], away, 0.0)
        total, lost = sum_runs(away, runs.starts)
        beyond = (total + lost) / np.maximum(n, 1)
        mean = pivot + beyond
        away -= np.repeat(beyond, lengths, axis=0)
        if present is not None:
            away = np.where(present[runs.order], away, 0.0)
        squares = np.add.reduceat(away * away, runs.starts, axis=0)
        at = runs.groups
        before, both = self.counts[at], self.counts[at] + n
        delta = mean - self.mean[at]
        share = n / np.maximum(both, 1)
        joined = self.squares[at] + squares + delta * delta * before * share
        some = n > 0
        first = before == 0
        self.squares[at] = np.where(some, np.where(first, squares, joined), self.squares[at])
        moved = np.where(first, mean, self.mean[at] + delta * share)
        self.mean[at] = np.where(some, moved, self.mean[at])
        self.counts[at] = both

    def finish(self) -> tuple[Floats, Bools]:
        variance = self.squares / np.maximum(self.counts, 1)
        return np.sqrt(variance) if self._root else variance, self.counts > 0


def accumulator(op: str, groups: int, steps: int) -> Accumulator | None:
    """The accumulator of an aggregation, or None if it needs all values at once."""
    match op:
        case "sum":
            return Sum(groups, steps)
        case "avg":
            return Mean(groups, steps)
        case "count":
            return Count(groups, steps)
        case "group":
            return Group(groups, steps)
        case "min":
            return Extreme(groups, steps, np.fmin)
        case "max":
            return Extreme(groups, steps, np.fmax)
        case "stddev" | "stdvar":
            return Variance(groups, steps, root=op == "stddev")
        case _:
            return None
