"""Compiled kernels over `anchored` windows, which begin with the value at their left end.

The windows of these strips are (end - range, end]; `WindowSpec.before_ms` is how far left of them
the sample with that value may lie. A window without samples of its own has no value.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels import strip_compositions as composed
from novaql.evaluator.kernels.neighbours import area
from novaql.evaluator.kernels.strips import Strips, newest, oldest, repeated
from novaql.evaluator.kernels.windows import Floats

_areas = composed.of_pairs(composed.sums, area)


def integral(strips: Strips, begin: int, end: int, out: Floats) -> None:
    """The twin of `neighbours.integrate_from_before`."""
    spec, windows = strips.spec, composed.grid_windows(strips)
    start_ms = windows.ends_ms - spec.range_ms
    begun = (strips.lo > 0) & (windows.times_at(windows.lo - 1) > start_ms - spec.before_ms)
    lead = np.where(begun, windows.times_at(windows.lo) - start_ms, 0) / 1000.0
    rest = (windows.ends_ms - windows.times_at(windows.hi - 1)) / 1000.0
    left = np.empty(int(strips.cells[end] - strips.cells[begin]))
    oldest(replace(strips, lo=strips.lo - begun), begin, end, left)

    def total(of_left: Floats, inside: Floats, last: Floats, of_last: Floats) -> Floats:
        # A sample at the right end counts for no time, not even an infinite one.
        within = inside + np.where(of_last > 0, last * of_last, 0.0)
        return np.where(of_left > 0, left * of_left, 0.0) + within

    parts = repeated(lambda _: lead), _areas, newest, repeated(lambda _: rest)
    composed.joined(total, *parts)(strips, begin, end, out)
