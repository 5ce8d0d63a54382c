"""Compiled kernels over `anchored` windows, which begin with the value at their left end.

The windows of these strips are (end - range, end]; `WindowSpec.before_ms` says how far left of them
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
    # A sample at the right end counts for no time.
    at_end = (windows.counts > 0) & (windows.times_at(windows.hi - 1) == windows.ends_ms)
    before, inner = replace(strips, lo=strips.lo - begun), replace(strips, hi=strips.hi - at_end)
    empty = inner.hi <= inner.lo
    first_ms = np.where(empty, windows.ends_ms, windows.times_at(windows.lo))
    last_ms = np.where(empty, windows.ends_ms, windows.times_at(windows.hi - 1 - at_end))
    lead = np.where(begun, first_ms - start_ms, 0) / 1000.0
    rest = (windows.ends_ms - last_ms) / 1000.0
    parts = (
        (before, oldest), (before, repeated(lambda _: lead)),
        (inner, _areas),
        (inner, newest), (inner, repeated(lambda _: rest)),
    )  # fmt: skip
    filled = [np.empty(int(strips.cells[end] - strips.cells[begin])) for _ in parts]
    for (some, kernel), part in zip(parts, filled, strict=True):
        kernel(some, begin, end, part)
    left, of_left, inside, last, of_last = filled
    with np.errstate(all="ignore"):
        inside += np.where(of_last > 0, last * of_last, 0.0)
        out[: len(inside)] = np.where(of_left > 0, left * of_left, 0.0) + inside
