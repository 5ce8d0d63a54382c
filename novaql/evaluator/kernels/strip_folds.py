"""Strips folded into groups, in the form that the accumulators of `group_reduce` merge."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.group_reduce import (
    Accumulator,
    Count,
    Counts,
    Extreme,
    Extremes,
    Sum,
    Sums,
)
from novaql.evaluator.kernels.numerics.exact_sums import ExactSums
from novaql.evaluator.kernels.strips import Presence, Strips
from novaql.evaluator.kernels.windows import Bools, Floats, Ints


class Fold(Protocol):
    """Groups that strips are added to. `values` are looked at unless `counts_only`."""

    counts_only: bool

    def add(
        self, strips: Strips, values: Floats, present: Presence, place: Ints, begin: int, end: int
    ) -> None:
        """The cells of series begin … end - 1; place: [S] group of each series of the batch."""
        ...

    def partial(self, groups: Ints) -> Any:
        """What the accumulator merges; groups: [g] number of each of these groups there."""
        ...


class SumFold:
    """For `Sum` and `Mean`."""

    counts_only = False

    def __init__(self, groups: int, steps: int) -> None:
        self.sums = ExactSums(groups, steps)
        self.counts = np.zeros((groups, steps), np.int64)

    def add(
        self, strips: Strips, values: Floats, present: Presence, place: Ints, begin: int, end: int
    ) -> None:
        self.sums.add_strips(
            place,
            (strips.batch.grid, strips.first, strips.strip),
            values,
            (present.flags, present.shared, present.whole),
            (begin, end),
            self.counts,
        )

    def partial(self, groups: Ints) -> Sums:
        self.sums.carry()
        return groups, self.sums, self.counts


class CountFold:
    """For `Count` and `Group`."""

    counts_only = True

    def __init__(self, groups: int, steps: int) -> None:
        self.counts = np.zeros((groups, steps))

    def add(
        self,
        strips: Strips,
        values: Floats,  # noqa: ARG002 - only presence counts
        present: Presence,
        place: Ints,
        begin: int,
        end: int,
    ) -> None:
        KERNELS.call.fold_counts(
            place, strips.batch.grid, strips.first, strips.strip, present.flags, present.shared,
            begin, end, self.counts,
        )  # fmt: skip

    def partial(self, groups: Ints) -> Counts:
        return groups, self.counts


class ExtremeFold:
    """For `Extreme`."""

    counts_only = False

    def __init__(self, groups: int, steps: int, *, largest: bool) -> None:
        self.best = np.full((groups, steps), np.nan)
        self.seen = np.zeros((groups, steps), np.bool_)
        self._largest = largest

    def add(
        self, strips: Strips, values: Floats, present: Presence, place: Ints, begin: int, end: int
    ) -> None:
        KERNELS.call.fold_extremes(
            place, strips.batch.grid, strips.first, strips.strip, values, present.flags,
            present.shared, begin, end, self._largest, self.best, self.seen,
        )  # fmt: skip

    def partial(self, groups: Ints) -> Extremes:
        return groups, self.best, self.seen


def fold_for(accumulator: Accumulator, groups: int, steps: int) -> Fold | None:
    """An empty fold that this accumulator can merge; None: it has none."""
    match accumulator:
        case Sum():
            return SumFold(groups, steps)
        case Count():
            return CountFold(groups, steps)
        case Extreme(largest=largest):
            return ExtremeFold(groups, steps, largest=largest)
        case _:
            return None


def spread(
    strips: Strips, values: Floats, present: Presence, place: Ints, begin: int, end: int,
    out: Floats, valid: Bools,
) -> None:  # fmt: skip
    """Series begin … end - 1 into rows place[s] of `out` and `valid`, [rows, J]."""
    KERNELS.call.spread(
        place, strips.batch.grid, strips.first, strips.strip, values, present.flags,
        present.shared, begin, end, out, valid,
    )  # fmt: skip
