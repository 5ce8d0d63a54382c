"""Floats whose sums lose digits, and their exact sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import hypothesis.strategies as st

LARGEST = 1.7976931348623157e308

edge_cases = st.sampled_from(
    [
        0.0, -0.0, 0.1, -0.1, 1.0, -1.0, 2.0, 8.0, 3.5, 2.0**53, 2.0**53 + 2, -(2.0**53),
        1e16, -1e16, 1e100, -1e100, 1e-100, -1e-100, 5e-324, -5e-324, 2.5e-310, -2.5e-310,
        2.0**-1022, 2.0**900, -(2.0**900), 1e300, -1e300, LARGEST, -LARGEST,
    ]
)  # fmt: skip
"""Subnormals, powers of two at the limits of the format, and numbers that cancel."""

powers = st.builds(
    math.ldexp, st.floats(-1.0, 1.0), st.integers(-1074, 1023) | st.integers(-30, 30)
)
cancelling = st.one_of(edge_cases, powers, st.floats(-1e3, 1e3), st.integers(-9, 9).map(float))
"""Finite numbers of all sizes."""

odd = st.sampled_from([math.inf, -math.inf, math.nan, 1.0, LARGEST])


def nearest(exact: Fraction) -> float:
    """The nearest float, ties to even; infinite from half a unit beyond the largest on."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def exact_sum(values: Sequence[float]) -> float:
    """The sum, rounded once; NaN and infinities do not depend on the order."""
    special = {value for value in values if not math.isfinite(value)}
    if special:
        return sum(special)
    return nearest(sum(map(Fraction, values), Fraction(0)))
