"""Sums of groups without rounding, so that no order or split of the values changes them.

The sum of a cell is `high` · 2^52 + `low` units of 2^(8 `scale` - 1074): integers, whose addition
has no order. `scale` is the same for all steps of a group, and grows with the largest value met. A
value is cut into its two integers by adding and subtracting a power of two: S. M. Rump, T. Ogita,
S. Oishi, "Accurate Floating-Point Summation Part I", SIAM J. Sci. Comput. 31 (2008), section 3; on
a fixed grid of exponents: J. Demmel, H. D. Nguyen, "Parallel Reproducible Summation", IEEE Trans.
Comput. 64 (2015). Here no bit is dropped: bits below the unit, values from 2^900 on, infinities
and NaN are saved as *terms*, which `FullRange` adds up at the end.

The two integers hold 100 bits, at least 93 of them below the largest value. So terms occur only
where values of a group differ by a factor of more than 2^40, about 10^12.
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, StripCells
from novaql.evaluator.kernels.numerics.error_free import Floats, Ints
from novaql.evaluator.kernels.numerics.full_range import MASK, FullRange
from novaql.evaluator.kernels.numerics.rounding import expansion
from novaql.evaluator.kernels.numerics.terms import Terms
from novaql.evaluator.kernels.runs import as_slice

EMPTY = -1
"""Scale of a group without any value other than 0."""
GRID_BITS = 8
LOW_BITS = 52
HIGH_BITS = 48
"""A value's high integer is below 2^48: 4096 of them add up to less than 2^60."""
LOWEST = -1074
LARGE = 2.0**900
"""Values that are not smaller are terms: to cut them would overflow."""
UNCARRIED = 1 << 11
"""The number of low integers, each at most 2^51, that add up before the sum is carried into
`high`."""
HIGHEST = 1 << 61
"""Least absolute value of `high` at which the scale is raised."""


def scale_for(largest: Floats, spare_bits: int = 0) -> Ints:
    """The least scale at which values of these magnitudes can be cut; `EMPTY` for 0."""
    field = largest.view(np.int64) >> 52  # |value| < 2^(field - 1022)
    scale = np.maximum((field + spare_bits + 1030 - 1023 - HIGH_BITS) >> 3, 0)
    return np.where(largest == 0.0, EMPTY, scale)


def cutters(scale: Ints) -> tuple[Ints, Ints]:
    """Bits of the two powers of two, times 1.5, that cut the high and the low integer off."""
    scale = np.maximum(scale, 0)
    low = (1 + GRID_BITS * scale) << 52 | 1 << 51
    return low + (LOW_BITS << 52), low


class ExactSums:
    """Sums of G groups at J steps. Absent values are 0.

    scale      [G]
    high, low  [G, J]; |low| ≤ 2^51 but for what was added since the last carry
    added      [G] how many values were added to a cell since then, at most
    """

    __slots__ = ("added", "high", "low", "scale", "terms")

    def __init__(self, groups: int, steps: int) -> None:
        self.scale = np.full(groups, EMPTY, np.int64)
        self.added = np.zeros(groups, np.int64)
        self.high = np.zeros((groups, steps), np.int64)
        self.low = np.zeros((groups, steps), np.int64)
        self.terms = Terms()

    @classmethod
    def of_cells(cls, groups: int, steps: int, cell: Ints, values: Floats) -> ExactSums:
        """Sums of values by cell, a place in the flat [G × J]."""
        sums = cls(groups, steps)
        large = ~(np.abs(values) < LARGE)
        if large.any():
            sums.terms.add(cell[large], values[large])
            cell, values = cell[~large], values[~large]
        most = int(np.bincount(cell).max(initial=0))
        group = cell // max(steps, 1)
        largest = np.zeros(groups)
        np.maximum.at(largest, group, np.abs(values))
        sums.scale = scale_for(largest, max(0, most.bit_length() - 12))
        high, low = (each[group] for each in cutters(sums.scale))
        whole, rest, left = _cut(values, high.view(np.float64), low.view(np.float64))
        np.add.at(sums.high.reshape(-1), cell, whole - high)
        rest -= low
        at_once = len(cell) if most <= UNCARRIED else UNCARRIED
        for begin in range(0, len(cell), max(at_once, 1)):
            some = slice(begin, begin + at_once)
            np.add.at(sums.low.reshape(-1), cell[some], rest[some])
            sums.carry()
        if left.any():
            (some_left,) = left.nonzero()
            sums.terms.add(cell[some_left], left[some_left])
        return sums

    def add_strips(self, cells: StripCells, counts: Ints) -> None:
        """Add cells by the compiled kernel, and their numbers to counts [G, J]."""
        terms = KERNELS.call.fold_sums(
            tuple(cells), self.scale, self.added, self.high, self.low, counts
        )
        self.terms.add(*terms)

    def carry(self) -> None:
        """Bring `low` back into ± 2^51, and raise the scale where `high` is large."""
        compiled = KERNELS.ready(self.high.size)
        if compiled is not None:
            largest = compiled.carry_exact(self.high, self.low)
        else:
            self.carry_rows(slice(None))
            largest = _largest(self.high)
        self.added[:] = 0
        if largest >= HIGHEST:
            large = np.flatnonzero((np.abs(self.high) >= HIGHEST).any(axis=1))
            self.raise_to(large, self.scale[large] + 1)

    def carry_rows(self, groups: slice) -> None:
        """Bring `low` of some groups back into ± 2^51."""
        carried, self.low[groups] = _carried(self.low[groups])
        self.high[groups] += carried

    def raise_to(self, groups: Ints, scale: Ints) -> None:
        """Count in larger units. Values below the new unit become terms."""
        steps = self.high.shape[1]
        bits = GRID_BITS * (scale - self.scale[groups])
        high, low = self.high[groups], self.low[groups]
        unit = LOWEST + GRID_BITS * self.scale[groups]
        while bits.any():
            by = np.minimum(bits, HIGH_BITS)[:, None]
            half = (1 << by) >> 1
            lower, upper = (low + half) >> by, (high + half) >> by
            below = low - (lower << by)
            low = lower + ((high - (upper << by)) << (LOW_BITS - by))
            high = upper
            row, step = np.nonzero(below)
            if len(row):
                values = np.ldexp(below[row, step].astype(np.float64), unit[row])
                self.terms.add(groups[row] * steps + step, values)
            unit += by[:, 0]
            bits = bits - by[:, 0]
        carried, self.low[groups] = _carried(low)
        self.high[groups] = high + carried
        self.scale[groups] = scale

    def merge(self, at: Ints, other: ExactSums) -> None:
        """Add sums of some groups; at: [g] the number here of each group there. Both are carried,
        and `other` is not used afterwards."""
        if self._is_empty() and np.array_equal(at, np.arange(len(self.scale))):
            self.scale, self.high, self.low = other.scale, other.high, other.low
            self.terms = other.terms
            return
        steps = self.high.shape[1]
        compiled = KERNELS.ready(other.high.size)
        if compiled is not None:
            largest, *terms = compiled.merge_exact(
                self.scale, self.high, self.low, at, other.scale, other.high, other.low
            )
            self.terms.add(*terms)
        else:
            largest = self._merge_rows(at, other)
        if largest >= HIGHEST:
            self.carry()
        cell, values = other.terms.all()
        group, step = np.divmod(cell, max(steps, 1))
        self.terms.add(at[group] * steps + step, values)
        self.terms.shrink()

    def _merge_rows(self, at: Ints, other: ExactSums) -> int:
        """`merge` without terms; the largest absolute value of `high`."""
        self.scale[at] = np.where(self.scale[at] == EMPTY, other.scale, self.scale[at])
        other.scale = np.where(other.scale == EMPTY, self.scale[at], other.scale)
        common = np.maximum(self.scale[at], other.scale)
        for sums, numbers in ((self, at), (other, np.arange(len(at)))):
            low_ones = np.flatnonzero(sums.scale[numbers] < common)
            if len(low_ones):
                sums.raise_to(numbers[low_ones], common[low_ones])
        rows = as_slice(at)
        carried, low = _carried(self.low[rows] + other.low)
        self.low[rows] = low
        high = self.high[rows] + other.high
        high += carried
        self.high[rows] = high
        return _largest(high)

    def _is_empty(self) -> bool:
        return not (self.terms or self.added.any() or (self.scale != EMPTY).any())

    def rounded(self, parts: int, exponent: int = 0) -> list[Floats]:
        """The sums times 2^exponent, as this many numbers of decreasing size, [G, J] each.

        The first is the sum rounded to nearest, ties to even; each later one is the remainder,
        rounded likewise.
        """
        if self.added.any():
            self.carry()
        unit = (LOWEST + GRID_BITS * np.maximum(self.scale, 0))[:, None] + exponent
        found = expansion(self.high, self.low, unit, parts)
        for cells, place, values in self.terms.by_cell():
            sums = self._with_terms(cells, place, values, parts, exponent)
            for part, numbers in zip(found, sums, strict=True):
                part.reshape(-1)[cells] = numbers
        return found

    def _with_terms(
        self, cells: Ints, place: Ints, values: Floats, parts: int, exponent: int
    ) -> list[Floats]:
        """`rounded` of some cells, [c] each. place: [t] which of them each term is added to."""
        exact, here = FullRange(len(cells)), np.arange(len(cells))
        unit = LOWEST + GRID_BITS * np.maximum(self.scale[cells // self.high.shape[1]], 0)
        high, low = self.high.reshape(-1)[cells], self.low.reshape(-1)[cells]
        exact.add_integers(here, high >> 32, unit + LOW_BITS + 32)
        exact.add_integers(here, high & MASK, unit + LOW_BITS)
        exact.add_integers(here, low, unit)
        finite = np.isfinite(values)
        exact.add(place[finite], values[finite])
        found = [np.ldexp(value, power + exponent) for value, power in exact.expansion(parts)]
        up, down, odd = np.zeros((3, len(cells)), np.bool_)
        up[place[values == np.inf]] = True
        down[place[values == -np.inf]] = True
        odd[place[np.isnan(values)]] = True
        odd |= up & down
        found[0] = np.where(odd, np.nan, np.where(up, np.inf, np.where(down, -np.inf, found[0])))
        for part in found[1:]:
            part[odd | up | down] = 0.0
        return found


def _cut(values: Floats, high: Floats, low: Floats) -> tuple[Ints, Ints, Floats]:
    """(high, low) integers of the values, to which bits of the cutters are added, and the rest."""
    whole: Floats = values + high
    rest: Floats = whole - high
    np.subtract(values, rest, out=rest)
    cut: Floats = rest + low
    left: Floats = cut - low
    np.subtract(rest, left, out=left)
    return whole.view(np.int64), cut.view(np.int64), left


def _largest(numbers: Ints) -> int:
    return max(int(numbers.max(initial=0)), -int(numbers.min(initial=0)))


def _carried(low: Ints) -> tuple[Ints, Ints]:
    """(what is carried into `high`, `low` within ± 2^51)."""
    carried = (low + (1 << (LOW_BITS - 1))) >> LOW_BITS
    return carried, low - (carried << LOW_BITS)
