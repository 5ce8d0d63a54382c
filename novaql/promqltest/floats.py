"""When two floats of a test script count as equal."""

from __future__ import annotations

import math
import sys

from novaql.model.sample_notation import is_stale_marker

EPSILON = 1e-6
_SMALLEST_NORMAL = sys.float_info.min


def floats_equal(a: float, b: float) -> bool:
    """Equal within `EPSILON`, relative to the sum of the two; an expected 0 must be 0."""
    if is_stale_marker(a) or is_stale_marker(b):
        return is_stale_marker(a) and is_stale_marker(b)
    if math.isnan(a) and math.isnan(b):
        return True
    if a == b:
        return True
    size = abs(a) + abs(b)
    difference = abs(a - b)
    if a == 0 or b == 0 or size < _SMALLEST_NORMAL:
        return difference < EPSILON * _SMALLEST_NORMAL
    return difference / min(size, sys.float_info.max) < EPSILON
