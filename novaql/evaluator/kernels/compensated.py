"""Sums that preserve small values beside large ones.

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
    (The Art of Computer Programming 2, section 4.2.2). Once a total is infinite or NaN, the lost
    part has no meaning and is 0.
    """
    after = total + value
    of_value = after - total
    error = (total - (after - of_value)) + (value - of_value)
    error += lost
    if not np.isfinite(np.add.reduce(error, axis=None)):
        error = np.where(np.isfinite(after), error, 0.0)
    return after, error
