"""Functions of the times of samples alone, the same for all series that share their timestamps.

Each takes `Windows`, of which it does not read the values, and returns (values, valid), both
shaped like lo.
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.tallies import same
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, each_position


def lifetime(windows: Windows) -> tuple[Floats, Bools]:
    """Seconds from the oldest to the newest sample."""
    first, last = windows.times_at(windows.lo), windows.times_at(windows.hi - 1)
    return (last - first) / 1000.0, windows.counts >= 2


def lag(windows: Windows) -> tuple[Floats, Bools]:
    """Seconds from the newest sample to the window's end."""
    return (windows.ends_ms - windows.times_at(windows.hi - 1)) / 1000.0, windows.counts > 0


def scrape_interval(windows: Windows) -> tuple[Floats, Bools]:
    """Mean of the seconds between neighbouring samples."""
    seconds, valid = lifetime(windows)
    return seconds / np.maximum(windows.counts - 1, 1), valid


def gap_ms(windows: Windows) -> Ints:
    """[T] or [N]: milliseconds since the sample before; 0 of the first."""
    gaps = np.zeros(len(windows.times), np.int64)
    gaps[1:] = np.diff(windows.times)
    return gaps


def duration_over_time(windows: Windows, most: Floats) -> tuple[Floats, Bools]:
    """Sum of the seconds between neighbouring samples, of those up to `most` (shaped like lo)."""
    gaps, valid = gap_ms(windows), windows.counts > 0
    if same(most):
        before = np.append(0, np.cumsum(np.where(gaps <= most[0] * 1000.0, gaps, 0)))
        inside = before[windows.hi] - before[np.minimum(windows.lo + 1, windows.hi)]
        return inside / 1000.0, valid
    total = np.zeros(windows.lo.shape)
    for index, inside in each_position(windows)[1:]:
        gap = gaps.take(index, mode="clip")
        counts = gap <= most * 1000.0
        total += np.where(counts if inside is None else counts & inside, gap, 0)
    return total / 1000.0, valid
