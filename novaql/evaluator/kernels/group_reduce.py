"""Folding blocks of rows into groups, one accumulator row per group.

Every accumulator has `reduce(group [S], values [S, J], present [S, J] or None)`, which reads
nothing else and so runs on any thread, `merge` for its result, `add`, which is both, and
`finish() -> (values [G, J], valid [G, J])`. A group without any value at a step is absent there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, StripCells
from novaql.evaluator.kernels.group_rows import Runs, as_strip_cells, exact_sums, strip_cells
from novaql.evaluator.kernels.numerics.error_free import square
from novaql.evaluator.kernels.numerics.exact_runs import sums_of_runs
from novaql.evaluator.kernels.numerics.exact_sums import ExactSums
from novaql.evaluator.kernels.numerics.variance import variance
from novaql.evaluator.kernels.runs import as_slice, reduce_runs
from novaql.evaluator.kernels.windows import Bools, Floats, Ints

Counts = tuple[Ints, Ints | Floats]
"""Groups of a block [g] and how many values each has [g, J]."""
Sums = tuple[Ints, ExactSums, Ints]
"""Groups of a block [g]; their sums; counts [g, J]."""
Extremes = tuple[Ints, Floats, Bools]
"""Groups of a block [g]; best and whether there is any, each [g, J]."""
Moments = tuple[Ints, Ints, dict[int, list[ExactSums]]]
"""Groups of a block [g]; counts [g, J]; sums by size of the values, see `Variance`."""


class Accumulator(Protocol):
    """Folds rows into groups; see the module's docstring for shapes."""

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Any: ...

    def merge(self, partial: Any) -> None: ...

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        self.merge(self.reduce(group, values, present))

    def finish(self) -> tuple[Floats, Bools]: ...


class StripAccumulator(Accumulator):
    """An accumulator that compiled kernels can add to.

    counts_only  values are not read
    """

    counts_only = False

    @abstractmethod
    def empty(self, groups: int, steps: int) -> StripAccumulator:
        """One whose `partial` this one merges."""

    @abstractmethod
    def add_strips(self, cells: StripCells) -> None:
        """Add cells by a compiled kernel."""

    @abstractmethod
    def partial(self, groups: Ints) -> Any:
        """The partial result that another accumulator merges; groups: [g] number there of each
        group here."""

    @abstractmethod
    def reduce_runs(self, runs: Runs, values: Floats, present: Bools | None) -> Any:
        """`reduce` by NumPy."""

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Any:
        if KERNELS.ready(values.size) is None:
            return self.reduce_runs(Runs(group), values, present)
        groups, cells = as_strip_cells(group, values, present)
        found = self.empty(len(groups), values.shape[1])
        found.add_strips(cells)
        return found.partial(groups)

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        if KERNELS.ready(values.size) is None:
            super().add(group, values, present)
        else:
            self.add_strips(strip_cells(np.ascontiguousarray(group), values, present))


def _add_counts(into: Ints, groups: Ints, counts: Ints) -> None:
    """Add those of a block in place; no group is in `groups` twice."""
    compiled = KERNELS.ready(counts.size)
    if compiled is not None:
        compiled.merge_counts(into, groups, np.ascontiguousarray(counts))
    else:
        into[as_slice(groups)] += counts


class Count(StripAccumulator):
    """The number of values."""

    counts_only = True

    def __init__(self, groups: int, steps: int) -> None:
        self.counts = np.zeros((groups, steps))  # of floats, as they leave

    def empty(self, groups: int, steps: int) -> Count:
        return Count(groups, steps)

    def add_strips(self, cells: StripCells) -> None:
        KERNELS.call.fold_counts(tuple(cells), self.counts)

    def partial(self, groups: Ints) -> Counts:
        return groups, self.counts

    def reduce_runs(self, runs: Runs, values: Floats, present: Bools | None) -> Counts:
        return runs.groups, runs.counts(present, values)

    def merge(self, partial: Counts) -> None:
        at, counts = partial
        self.counts[as_slice(at)] += counts

    def finish(self) -> tuple[Floats, Bools]:
        return self.counts, self.counts > 0


class Group(Count):
    """1 where there is any value."""

    def finish(self) -> tuple[Floats, Bools]:
        return np.ones(self.counts.shape), self.counts > 0


class Sum(StripAccumulator):
    """The exact sum, rounded once."""

    def __init__(self, groups: int, steps: int) -> None:
        self._sums = ExactSums(groups, steps)
        self._counts = np.zeros((groups, steps), np.int64)

    def empty(self, groups: int, steps: int) -> Sum:
        return Sum(groups, steps)

    def add_strips(self, cells: StripCells) -> None:
        self._sums.add_strips(cells, self._counts)

    def partial(self, groups: Ints) -> Sums:
        self._sums.carry()
        return groups, self._sums, self._counts

    def reduce_runs(self, runs: Runs, values: Floats, present: Bools | None) -> Sums:
        (sums,) = sums_of_runs(runs.rows(values, present, 0.0), runs.starts)
        return runs.groups, sums, runs.counts(present, values)

    def merge(self, partial: Sums) -> None:
        at, sums, counts = partial
        _add_counts(self._counts, at, counts)
        self._sums.merge(at, sums)

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


class SumOfSquares(Sum):
    """The exact sum of the rounded squares. Only for rows that are a matrix: the values that
    `add_strips` and packed folds get are not squared."""

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Sums:
        return super().reduce(group, values * values, present)  # type: ignore[no-any-return]

    def add(self, group: Ints, values: Floats, present: Bools | None) -> None:
        self.merge(self.reduce(group, values, present))


class Extreme(StripAccumulator):
    """Minimum or maximum; NaN only where all values are."""

    def __init__(self, groups: int, steps: int, *, largest: bool) -> None:
        self._largest = largest
        self._choose: np.ufunc = np.fmax if largest else np.fmin
        self.best = np.full((groups, steps), np.nan)
        self.seen = np.zeros((groups, steps), np.bool_)

    def empty(self, groups: int, steps: int) -> Extreme:
        return Extreme(groups, steps, largest=self._largest)

    def add_strips(self, cells: StripCells) -> None:
        KERNELS.call.fold_extremes(tuple(cells), self._largest, self.best, self.seen)

    def partial(self, groups: Ints) -> Extremes:
        return groups, self.best, self.seen

    def reduce_runs(self, runs: Runs, values: Floats, present: Bools | None) -> Extremes:
        best = reduce_runs(self._choose, runs.rows(values, present, np.nan), runs.starts, np.nan)
        return runs.groups, best, runs.counts(present, values) > 0

    def merge(self, partial: Extremes) -> None:
        at, best, seen = partial
        self.best[at] = self._choose(self.best[at], best)
        self.seen[at] |= seen

    def finish(self) -> tuple[Floats, Bools]:
        return self.best, self.seen


class Variance(Accumulator):
    """Population variance, of exact sums of values and of both halves of their squares.

    Squares of very large and very small values are out of range, so these are scaled and summed
    apart. Of a group that has several sizes of values the largest decide.
    """

    SIZE = 2.0**400
    """Values from 1 / SIZE to SIZE are summed unchanged."""
    STEP = 600
    """Binary exponent by which larger and smaller ones are scaled."""

    def __init__(self, groups: int, steps: int, *, root: bool) -> None:
        self._root = root
        self._counts = np.zeros((groups, steps), np.int64)
        self._sums: dict[int, list[ExactSums]] = {}

    def reduce(self, group: Ints, values: Floats, present: Bools | None) -> Moments:
        if present is not None:
            values = np.where(present, values, 0.0)
        found = {
            size: exact_sums(group, scaled, present, _moments, _sizes)
            for size, scaled in self._by_size(values)
        }
        groups, _, counts = found[0]
        return groups, counts, {size: sums for size, (_, sums, _) in found.items()}

    def _by_size(self, values: Floats) -> list[tuple[int, Floats]]:
        """Values in range, and if any are not, large ones (1) and small ones (-1), scaled."""
        sizes = np.abs(values)
        in_range = np.count_nonzero(sizes >= 1.0 / self.SIZE)
        if in_range == np.count_nonzero(values) and not sizes.max(initial=0.0) > self.SIZE:
            return [(0, values)]
        large = (sizes > self.SIZE) & np.isfinite(values)
        small = (sizes < 1.0 / self.SIZE) & (sizes > 0.0)
        return [
            (0, np.where(large | small, 0.0, values)),
            (1, np.ldexp(np.where(large, values, 0.0), -self.STEP)),
            (-1, np.ldexp(np.where(small, values, 0.0), self.STEP)),
        ]

    def merge(self, partial: Moments) -> None:
        at, counts, found = partial
        _add_counts(self._counts, at, counts)
        for size, sums in found.items():
            if size not in self._sums:
                self._sums[size] = [ExactSums(*self._counts.shape) for _ in sums]
            for mine, other in zip(self._sums[size], sums, strict=True):
                mine.merge(at, other)

    def finish(self) -> tuple[Floats, Bools]:
        counts = np.maximum(self._counts, 1)
        found, taken = np.zeros(counts.shape), np.zeros(counts.shape, np.bool_)
        for size in (1, 0, -1):
            if size not in self._sums:
                continue
            total, squares = self._scaled_to(size)
            here = (squares[0] != 0.0) & ~taken
            scaled = np.ldexp(variance(counts, total, squares), 2 * self.STEP * size)
            found, taken = np.where(here, scaled, found), taken | here
        if 0 in self._sums:  # infinities and NaN
            (whole,) = self._sums[0][0].rounded(1)
            found[~np.isfinite(whole)] = np.nan
        return np.sqrt(found) if self._root else found, self._counts > 0

    def _scaled_to(self, size: int) -> tuple[list[Floats], list[Floats]]:
        """Sums of values and of squares, each as several numbers; those of smaller sizes too."""
        total: list[Floats] = []
        squares: list[Floats] = []
        for smaller in range(size, -2, -1):
            if smaller in self._sums:
                by = self.STEP * (smaller - size)
                values, upper, lower = (sums.rounded(3) for sums in self._sums[smaller])
                total += [np.ldexp(part, by) for part in values]
                squares += [np.ldexp(part, 2 * by) for part in (*upper, *lower)]
        return total, squares


def _moments(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Values, and the two halves of their squares."""
    return values, *square(values)


def _sizes(sizes: Floats) -> tuple[Floats, Floats, Floats]:
    squares = sizes * sizes * (1.0 + 2.0**-50)
    return sizes, squares, squares * 2.0**-52


ACCUMULATORS: dict[str, Callable[[int, int], Accumulator]] = {
    "sum": Sum,
    "sum2": SumOfSquares,
    "avg": Mean,
    "count": Count,
    "group": Group,
    "min": lambda groups, steps: Extreme(groups, steps, largest=False),
    "max": lambda groups, steps: Extreme(groups, steps, largest=True),
    "stddev": lambda groups, steps: Variance(groups, steps, root=True),
    "stdvar": lambda groups, steps: Variance(groups, steps, root=False),
}
"""Aggregations that need no two values at once → their empty accumulator for groups and steps."""
