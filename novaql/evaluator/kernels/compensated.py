"""Sums that do not lose small values beside large ones.

Neumaier's variant of Kahan summation: A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
Summation endlicher Summen", ZAMM 54 (1974). Prometheus sums the same way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


def sum_runs(values: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """Compensated sum over runs of rows.

    values: [S, J], rows of a run adjacent; starts: [G], first row of each run, increasing, the
    first is 0. Returns (total, lost), each [G, J].
    """
    rows = values.shape[0]
    lengths = np.diff(starts, append=rows)
    total, lost = values, np.zeros_like(values)
    while (longest := int(lengths.max())) > 1:
        # Add neighbours two by two; each round halves the runs.
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
