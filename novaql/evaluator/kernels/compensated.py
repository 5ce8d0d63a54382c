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

    Once a total is infinite or NaN, what was lost means nothing and is 0.
    """
    after = total + value
    error = np.where(
        np.abs(total) >= np.abs(value), (total - after) + value, (value - after) + total
    )
    finite = np.isfinite(after)
    return after, np.where(finite, lost + error, 0.0)


def add_pairs(
    total: Floats, lost: Floats, other_total: Floats, other_lost: Floats
) -> tuple[Floats, Floats]:
    """Sum of two compensated sums."""
    after, lost = add_compensated(total, lost, other_total)
    return after, np.where(np.isfinite(after), lost + other_lost, 0.0)


def sum_runs(values: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """Compensated sum over runs of rows.

    values: [S, J], rows of a run adjacent; starts: [G], first row of each run, increasing, the
    first is 0. Returns (total, lost), each [G, J].
    """
    if values.min(initial=0.0) >= 0.0:
        # Nothing can cancel: each plain sum is right to (rows × 1e-16), relative.
        return np.add.reduceat(values, starts, axis=0), np.zeros((len(starts), values.shape[1]))
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
