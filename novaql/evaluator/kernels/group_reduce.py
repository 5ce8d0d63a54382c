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

from novaql.evaluator.kernels.compensated import add_pairs, sum_runs
from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints, mask
from novaql.evaluator.kernels.runs import lengths_of, reduce_runs
from novaql.evaluator.kernels.windows import Bools, Floats, Ints

Counts = tuple[Ints, Ints | Floats]
"""Groups of a block [g] and how many values each has [g, J]."""
Sums = tuple[Ints, Floats, Floats, Ints]
"""Groups of a block [g]; total, lost, counts, each [g, J]."""
ScaledSums = tuple[Sums, Sums | None]
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


def as_slice(numbers: Ints) -> Ints | slice:
    """Numbers as a slice where each is one more than the one before: what needs no copy."""
    if len(numbers) and (numbers[1:] - numbers[:-1] == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def _add_counts(into: Ints, groups: Ints, counts: Ints) -> None:
    """Add those of a block in place; no group is in `groups` twice."""
    compiled = KERNELS.ready(counts.size)
    if compiled is not None:
        compiled.merge_counts(into, groups, np.ascontiguousarray(counts))
    else:
        into[as_slice(groups)] += counts


class Count(Accumulator):
    """How many values."""

    def __init__(self, groups: int, steps: int) -> None:
        self.counts = np.zeros((groups, steps))  # of floats, as they leave

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Counts:
        compiled = KERNELS.ready(values.size)
        if compiled is not None and len(group):
            found: Counts = compiled.group_counts(ints(group), mask(present, values.shape[1]))
            return found
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


LARGE = 1e290
"""Sums of values within ± this do not overflow, however many they are."""


def _sums(group: Ints, values: Floats, present: Bools | None) -> tuple[Sums, bool | None]:
    """Sums of a block, and whether it has large values where that was found on the way."""
    compiled = KERNELS.ready(values.size)
    if compiled is not None and len(group):
        *sums, large = compiled.group_sums(
            ints(group),
            floats(values, values.shape),
            mask(present, values.shape[1]),
            LARGE,
        )
        groups, total, lost, counts = sums
        return (groups, total, lost, counts), large > 0
    runs = _Runs(group)
    total, lost = sum_runs(runs.rows(values, present, 0.0), runs.starts)
    return (runs.groups, total, lost, runs.counts(present, values)), None


class _Sums:
    """Compensated sums and counts of groups."""

    def __init__(self, groups: int, steps: int) -> None:
        self.total = np.zeros((groups, steps))
        self.lost = np.zeros((groups, steps))
        self.counts = np.zeros((groups, steps), np.int64)

    def merge(self, sums: Sums) -> None:
        at, total, lost, counts = sums
        _add_counts(self.counts, at, counts)
        compiled = KERNELS.ready(total.size)
        if compiled is not None:
            compiled.merge_sums(self.total, self.lost, at, total, lost)
        else:
            rows = as_slice(at)
            both = add_pairs(self.total[rows], self.lost[rows], total, lost)
            self.total[rows], self.lost[rows] = both

    def adopt(self, sums: Sums) -> None:
        _, self.total, self.lost, self.counts = sums


class Sum(Accumulator):
    """Compensated sum. Beside it a sum of scaled values, for where it overflows on the way.

    Series have no order. So a sum is that of an order in which nothing overflows before the end.
    """

    SCALE = 2.0**-64

    def __init__(self, groups: int, steps: int) -> None:
        self._sums = _Sums(groups, steps)
        self._scaled: _Sums | None = None

    def restart(self) -> None:
        """Forget what was merged."""
        self._sums, self._scaled = _Sums(*self._sums.total.shape), None

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> ScaledSums:
        sums, large = _sums(group, values, present)
        if large is None:
            large = bool(np.fmax.reduce(np.abs(values), axis=None, initial=0.0) > LARGE)
        if not large:
            return sums, None
        return sums, _sums(group, values * self.SCALE, present)[0]

    def merge(self, partial: ScaledSums) -> None:
        sums, scaled = partial
        if self._scaled is None and scaled is not None:
            # From here on both sums are kept. What came before is small enough to be scaled now.
            self._scaled = _Sums(*self._sums.total.shape)
            self._scaled.total = self._sums.total * self.SCALE
            self._scaled.lost = self._sums.lost * self.SCALE
        self._sums.merge(sums)
        if self._scaled is not None:
            at, total, lost, counts = sums
            small = at, total * self.SCALE, lost * self.SCALE, counts
            self._scaled.merge(small if scaled is None else scaled)

    def adopt(self, partial: ScaledSums) -> None:
        sums, scaled = partial
        if scaled is not None:
            self.merge(partial)
        else:
            self._sums.adopt(sums)

    def finish(self) -> tuple[Floats, Bools]:
        return self._repaired(self._sums.total + self._sums.lost, 1), self._sums.counts > 0

    def _repaired(self, found: Floats, n: Ints | int) -> Floats:
        """What was found, or where it is of an overflowed sum, what the scaled one gives."""
        if self._scaled is None:
            return found
        spare = (self._scaled.total / n + self._scaled.lost / n) / self.SCALE
        return np.where(np.isfinite(self._sums.total), found, spare)


class Mean(Sum):
    """Sum divided by count; also where the sum overflows."""

    def finish(self) -> tuple[Floats, Bools]:
        total, counts = self._sums.total, self._sums.counts
        n = np.maximum(counts, 1)
        return self._repaired(total / n + self._sums.lost / n, n), counts > 0


class Extreme(Accumulator):
    """Minimum or maximum; NaN only where all values are."""

    def __init__(self, groups: int, steps: int, *, largest: bool) -> None:
        self.largest = largest
        self._choose: np.ufunc = np.fmax if largest else np.fmin
        self.best = np.full((groups, steps), np.nan)
        self.seen = np.zeros((groups, steps), np.bool_)

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Extremes:
        compiled = KERNELS.ready(values.size)
        if compiled is not None and len(group):
            found: Extremes = compiled.group_extremes(
                ints(group),
                floats(values, values.shape),
                mask(present, values.shape[1]),
                self.largest,
            )
            return found
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
