"""Folding blocks of rows into groups, one accumulator row per group.

Every accumulator has `reduce(group [S], values [S, J], present [S, J] or None)`, which looks at
nothing else and so runs on any thread, `merge` for what it gives, `add`, which is both, and
`finish() -> (values [G, J], valid [G, J])`. A group without any value at a step is absent there.
`adopt` is `merge` for a partial result of all groups, into an accumulator that is still empty.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels import dispatch
from novaql.evaluator.kernels.compensated import sum_runs
from novaql.evaluator.kernels.numerics.exact_sums import ExactSums
from novaql.evaluator.kernels.runs import as_slice, lengths_of, reduce_runs
from novaql.evaluator.kernels.windows import Bools, Floats, Ints

Counts = tuple[Ints, Ints | Floats]
"""Groups of a block [g] and how many values each has [g, J]."""
Sums = tuple[Ints, ExactSums, Ints]
"""Groups of a block [g]; their sums; counts [g, J]."""
Extremes = tuple[Ints, Floats, Bools]
"""Groups of a block [g]; best and whether there is any, each [g, J]."""
Moments = tuple[Ints, Ints, Floats, Floats]
"""Groups of a block [g]; counts, means, squared deviations, each [g, J]."""


class Accumulator(Protocol):
    """Folds rows into groups; see the module's docstring for shapes."""

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Any: ...

    def merge(self, partial: Any) -> None: ...

    def adopt(self, partial: Any) -> None:
        self.merge(partial)

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        self.merge(self.reduce(group, values, present))

    def finish(self) -> tuple[Floats, Bools]: ...


class _Runs:
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


class _AsStrips:
    """Rows of a block as the strips of one grid, which compiled folds take.

    groups   [g] those of the block; shape: (g, J)
    where    place of each row among them, grid of each row, first step and cells of the grid
    present  [J] where all rows agree (`shared`), else [S × J]
    """

    __slots__ = ("groups", "present", "shape", "shared", "where")

    def __init__(self, group: Ints, present: Bools | None, shape: tuple[int, int]) -> None:
        rows, steps = shape
        self.groups, place = _numbered(group)
        self.shape = len(self.groups), steps
        self.where = (
            place, np.zeros(rows, np.int64), np.zeros(1, np.int64), np.array([0, steps])
        )  # fmt: skip
        flags = dispatch.mask(present, steps)
        self.present, self.shared = flags.reshape(-1), len(flags) == 1

    @staticmethod
    def flat(values: Floats) -> Floats:
        return dispatch.floats(values, (values.size,))


def _numbered(group: Ints) -> tuple[Ints, Ints]:
    """(the groups that occur [g], place of each row's group among them [S])."""
    lowest, highest = int(group.min(initial=0)), int(group.max(initial=0))
    if highest - lowest > SPARSE * len(group):
        groups, place = np.unique(group, return_inverse=True)
        return groups, place
    occurs = np.zeros(highest - lowest + 1, np.bool_)
    occurs[group - lowest] = True
    return np.flatnonzero(occurs) + lowest, (np.cumsum(occurs) - 1)[group - lowest]


SPARSE = 8
"""Group numbers for each row from which on sorting them is quicker than a table of all."""


def _add_counts(into: Ints, groups: Ints, counts: Ints) -> None:
    """Add those of a block in place; no group is in `groups` twice."""
    compiled = dispatch.twin("merge_counts", counts.size)
    if compiled is not None:
        compiled(into, groups, np.ascontiguousarray(counts))
    else:
        into[as_slice(groups)] += counts


class Count(Accumulator):
    """How many values."""

    def __init__(self, groups: int, steps: int) -> None:
        self.counts = np.zeros((groups, steps))  # of floats, as they leave

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Counts:
        compiled = dispatch.twin("fold_counts", values.size)
        if compiled is not None:
            rows = _AsStrips(group, present, values.shape)
            counts = np.zeros(rows.shape)
            compiled(*rows.where, rows.present, rows.shared, 0, len(group), counts)
            return rows.groups, counts
        runs = _Runs(group)
        return runs.groups, runs.counts(present, values)

    def merge(self, partial: Counts) -> None:
        at, counts = partial
        self.counts[as_slice(at)] += counts

    def adopt(self, partial: Counts) -> None:
        self.counts = np.asarray(partial[1], np.float64)

    def finish(self) -> tuple[Floats, Bools]:
        return self.counts, self.counts > 0


class Group(Count):
    """1 where there is any value."""

    def finish(self) -> tuple[Floats, Bools]:
        return np.ones(self.counts.shape), self.counts > 0


class Sum(Accumulator):
    """The exact sum, rounded once."""

    def __init__(self, groups: int, steps: int) -> None:
        self._sums = ExactSums(groups, steps)
        self._counts = np.zeros((groups, steps), np.int64)

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Sums:
        if dispatch.twin("fold_sums", values.size) is not None:
            rows = _AsStrips(group, present, values.shape)
            sums, counts = ExactSums(*rows.shape), np.zeros(rows.shape, np.int64)
            sums.add_strips(
                *rows.where, rows.flat(values), rows.present, rows.shared, present is None,
                0, len(group), counts,
            )  # fmt: skip
            sums.carry()
            return rows.groups, sums, counts
        runs = _Runs(group)
        sums = ExactSums.of_runs(runs.rows(values, present, 0.0), runs.starts)
        return runs.groups, sums, runs.counts(present, values)

    def merge(self, partial: Sums) -> None:
        at, sums, counts = partial
        _add_counts(self._counts, at, counts)
        self._sums.merge(at, sums)

    def adopt(self, partial: Sums) -> None:
        _, self._sums, self._counts = partial

    def finish(self) -> tuple[Floats, Bools]:
        (total,) = self._sums.rounded(1)
        return total, self._counts > 0


class Mean(Sum):
    """Sum divided by count; also where the sum overflows."""

    SCALE = -64
    """Binary exponent by which sums are scaled to be divided where they overflow."""

    def finish(self) -> tuple[Floats, Bools]:
        n = np.maximum(self._counts, 1)
        total, lost = self._sums.rounded(2)
        mean = total / n + lost / n
        if np.isinf(total).any():
            # Infinite values have infinite scaled sums, too.
            small, small_lost = self._sums.rounded(2, self.SCALE)
            scaled = np.ldexp(small / n + small_lost / n, -self.SCALE)
            mean = np.where(np.isinf(total), scaled, mean)
        return mean, self._counts > 0


class Extreme(Accumulator):
    """Minimum or maximum; NaN only where all values are."""

    def __init__(self, groups: int, steps: int, *, largest: bool) -> None:
        self.largest = largest
        self._choose: np.ufunc = np.fmax if largest else np.fmin
        self.best = np.full((groups, steps), np.nan)
        self.seen = np.zeros((groups, steps), np.bool_)

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Extremes:
        compiled = dispatch.twin("fold_extremes", values.size)
        if compiled is not None:
            rows = _AsStrips(group, present, values.shape)
            best, seen = np.full(rows.shape, np.nan), np.zeros(rows.shape, np.bool_)
            compiled(
                *rows.where, rows.flat(values), rows.present, rows.shared, 0, len(group),
                self.largest, best, seen,
            )  # fmt: skip
            return rows.groups, best, seen
        runs = _Runs(group)
        best = reduce_runs(self._choose, runs.rows(values, present, np.nan), runs.starts, np.nan)
        return runs.groups, best, runs.counts(present, values) > 0

    def merge(self, partial: Extremes) -> None:
        at, best, seen = partial
        self.best[at] = self._choose(self.best[at], best)
        self.seen[at] |= seen

    def finish(self) -> tuple[Floats, Bools]:
        return self.best, self.seen


class Variance(Accumulator):
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

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Moments:
        runs = _Runs(group)
        rows = runs.rows(values, present, 0.0)
        n = runs.counts(present, values)
        lengths = runs.lengths(len(group))
        # Distances from one of the values, so that equal values have a variance of exactly 0.
        pivot = reduce_runs(np.fmin, runs.rows(values, present, np.nan), runs.starts, np.nan)
        pivot = np.where(np.isfinite(pivot), pivot, 0.0)
        away = rows - np.repeat(pivot, lengths, axis=0)
        if present is not None:
            away = np.where(runs.ordered(present), away, 0.0)
        total, lost = sum_runs(away, runs.starts)
        beyond = (total + lost) / np.maximum(n, 1)
        mean = pivot + beyond
        away -= np.repeat(beyond, lengths, axis=0)
        if present is not None:
            away = np.where(runs.ordered(present), away, 0.0)
        squares = reduce_runs(np.add, away * away, runs.starts, 0.0)
        return runs.groups, n, mean, squares

    def merge(self, partial: Moments) -> None:
        at, n, mean, squares = partial
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
            return Extreme(groups, steps, largest=False)
        case "max":
            return Extreme(groups, steps, largest=True)
        case "stddev" | "stdvar":
            return Variance(groups, steps, root=op == "stddev")
        case _:
            return None
