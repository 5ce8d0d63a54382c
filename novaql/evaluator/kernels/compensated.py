"""Sums that do not lose small values beside large ones.

Neumaier's variant of Kahan summation: A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
Summation endlicher Summen", ZAMM 54 (1974). Prometheus sums the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.runs import lengths_of, stacked

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def add_compensated(total: Floats, lost: Floats, value: Floats) -> tuple[Floats, Floats]:
    """total + lost + value as a new pair; `lost` collects what rounding took from `total`.

    The error of each addition is found exactly and without comparing magnitudes: Knuth's TwoSum
    (The Art of Computer Programming 2, section 4.2.2). Once a total is infinite or NaN, what was
    lost means nothing and is 0.
    """
    after = total + value
    of_value = after - total
    error = (total - (after - of_value)) + (value - of_value)
    error += lost
    if not np.isfinite(np.add.reduce(error, axis=None)):
        error = np.where(np.isfinite(after), error, 0.0)
    return after, error


def add_pairs(
    total: Floats, lost: Floats, other_total: Floats, other_lost: Floats
) -> tuple[Floats, Floats]:
    """Sum of two compensated sums."""
    return add_compensated(total, lost + other_lost, other_total)


SPLITTABLE = (2.0**-900, 2.0**900)
"""Largest magnitudes of values that can be split: nothing overflows, nothing becomes subnormal."""


AT_ONCE = 1 << 14
"""Values worked on at one time: 128 KiB, and what is computed of them stays in the cache, too."""


def sum_runs(values: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """Compensated sum over runs of rows.

    values: [S, J], rows of a run adjacent; starts: [G], first row of each run, increasing, the
    first is 0. Returns (total, lost), each [G, J].
    """
    rows, columns = values.shape
    if len(starts) == rows or values.size == 0:
        return values, np.zeros(values.shape)
    total, lost = np.empty((len(starts), columns)), np.empty((len(starts), columns))
    wide = max(1, AT_ONCE // rows)
    for first in range(0, columns, wide):
        part = (slice(None), slice(first, first + wide))
        total[part], lost[part] = _sum_some(values[part], starts)
    return total, lost


def _sum_some(values: Floats, starts: Ints) -> tuple[Floats, Floats]:
    largest = splittable(values)
    if largest is None:
        return _sum_pairwise(values, lengths_of(starts, len(values)))
    stack = stacked(values, starts, 0.0)
    if stack is None:
        return sum_split(
            values, largest, len(values), lambda part: np.add.reduceat(part, starts, axis=0)
        )
    return sum_split(stack, largest, stack.shape[1], lambda part: np.add.reduce(part, axis=1))


def sum_split(
    values: Floats, largest: float, together: int, add: Callable[[Floats], Floats]
) -> tuple[Floats, Floats]:
    """Compensated sums of what `add` adds up plainly; (total, lost).

    largest   what `splittable` says of the values
    together  how many of them are added up at most

    What two cuts leave of values that are far smaller than the largest is cut again: the large ones
    may be of another sum, or cancel out.
    """
    parts = split(values, largest, together)
    total = add(next(parts))
    total, lost = add_compensated(total, np.zeros(total.shape), add(next(parts)))
    while (rest := next(parts)).any():
        size = splittable(rest)
        if size is None:  # what is so small cannot be cut
            return add_compensated(total, lost, add(rest))
        parts = split(rest, size, together)
        for _ in range(2):
            total, lost = add_compensated(total, lost, add(next(parts)))
    return total, lost


def splittable(values: Floats) -> float | None:
    """The largest magnitude of the values (1 where all are 0), or None: they cannot be split."""
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0))) or 1.0
    return largest if SPLITTABLE[0] < largest < SPLITTABLE[1] else None


def split(values: Floats, largest: float, together: int) -> Iterator[Floats]:
    """Every value as three numbers; sums of up to `together` of the upper two have no error.

    The bits of a value above a unit that all values share are taken off by adding and subtracting a
    power of two, and such multiples of one unit add up exactly, in whatever order. Two units cover
    at least 80 bits below the largest value. S. M. Rump, T. Ogita, S. Oishi, "Accurate
    Floating-Point Summation Part I: Faithful Rounding", SIAM J. Sci. Comput. 31 (2008), section 3.
    Each part is overwritten when the next one is asked for.
    """
    room = math.ceil(math.log2(together + 2))
    unit = math.ldexp(1.0, math.frexp(largest)[1] + room)
    upper = values + unit
    upper -= unit
    yield upper
    rest = np.subtract(values, upper, out=upper)
    unit = math.ldexp(unit, room - 53)
    middle = rest + unit
    middle -= unit
    yield middle
    rest -= middle
    yield rest


def _sum_pairwise(values: Floats, lengths: Ints) -> tuple[Floats, Floats]:
    """For values of any size: neighbours are added two by two; each round halves the runs."""
    total, lost = values, np.zeros_like(values)
    while (longest := int(lengths.max())) > 1:
        first = np.cumsum(lengths) - lengths
        place = np.arange(total.shape[0]) - np.repeat(first, lengths)
        even = np.flatnonzero(place % 2 == 0)
        odd = np.flatnonzero(place % 2 == 1)
        kept_total, kept_lost = total[even], lost[even]
        with_partner = np.searchsorted(even, odd - 1)
        kept_total[with_partner], kept_lost[with_partner] = add_pairs(
            total[even[with_partner]], lost[even[with_partner]], total[odd], lost[odd]
        )
        total, lost = kept_total, kept_lost
        lengths = (lengths + 1) // 2
        assert int(lengths.max()) < longest
    return total, lost
