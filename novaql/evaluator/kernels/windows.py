"""Window bounds, and samples as window kernels see them.

A window of step t is the half-open range of samples in (t - range, t]. For samples that share
timestamps (a matrix) the bounds are found once for all series; for ragged samples once per series,
without a search: each sample knows by arithmetic at which step it enters and leaves the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Samples and the windows to be computed over them.

    values    regular: [S, T]; ragged: flat [N]
    times     milliseconds; regular: [T]; ragged: flat [N]
    lo, hi    first and one-past-last sample of each window: regular [J]; ragged [S, J], as
              positions in the flat arrays. Not decreasing along the steps
    ends_ms   [J] right end of each window (included)
    range_ms  length of each window; its left end is ends_ms - range_ms (excluded)
    offsets   None: regular. Ragged: [S + 1]

    Whatever the layout, `at(index)` gives values for an index array shaped like `lo`, as [S, J].
    """

    values: Floats
    times: Ints
    lo: Ints
    hi: Ints
    ends_ms: Ints
    range_ms: int
    offsets: Ints | None = None

    @property
    def series_count(self) -> int:
        return self.values.shape[0] if self.offsets is None else len(self.offsets) - 1

    @property
    def shape(self) -> tuple[int, int]:
        return self.series_count, len(self.ends_ms)

    @property
    def counts(self) -> Ints:
        """Samples in each window, shaped like `lo`."""
        return self.hi - self.lo

    @property
    def longest(self) -> int:
        return int(self.counts.max(initial=0))

    def at(self, index: Ints) -> Floats:
        """Values at positions shaped like `lo`; positions out of range are pulled to the edge."""
        if self.offsets is None:
            if self.values.shape[1] == 0:
                return np.zeros(self.shape)
            return self.values.take(index, axis=1, mode="clip")
        if self.values.size == 0:
            return np.zeros(self.shape)
        return self.values.take(index, mode="clip")

    def times_at(self, index: Ints) -> Ints:
        """Timestamps at those positions, shaped like `lo`."""
        if self.times.size == 0:
            return np.zeros(index.shape, np.int64)
        return self.times.take(index, mode="clip")

    def first(self) -> Floats:
        return self.at(self.lo)

    def last(self) -> Floats:
        return self.at(self.hi - 1)


def regular_windows(values: Floats, times: Ints, ends_ms: Ints, range_ms: int) -> Windows:
    """values [S, T], times [T]: every series has the same windows."""
    lo = np.searchsorted(times, ends_ms - range_ms, side="right")
    hi = np.searchsorted(times, ends_ms, side="right")
    return Windows(values, times, lo, hi, ends_ms, range_ms)


def ragged_windows(
    values: Floats, times: Ints, offsets: Ints, ends_ms: Ints, range_ms: int
) -> Windows:
    """Flat values and times, series i at offsets[i]:offsets[i + 1]. ends_ms evenly spaced."""
    series, steps = len(offsets) - 1, len(ends_ms)
    step_ms = int(ends_ms[1] - ends_ms[0]) if steps > 1 else 1
    row = np.repeat(np.arange(series, dtype=np.int64), np.diff(offsets))
    base = row * (steps + 1)
    since = times - ends_ms[0]
    hi = _passed(since, step_ms, base, series, steps) + offsets[:-1, None]
    lo = _passed(since + range_ms, step_ms, base, series, steps) + offsets[:-1, None]
    return Windows(values, times, lo, hi, ends_ms, range_ms, offsets)


def _passed(since: Ints, step_ms: int, base: Ints, series: int, steps: int) -> Ints:
    """[S, J]: how many of a series' moments lie at or before each step."""
    first_step = np.clip(-(-since // step_ms), 0, steps)  # ceiling
    marks = np.bincount(base + first_step, minlength=series * (steps + 1))
    return np.cumsum(marks.reshape(series, steps + 1)[:, :steps], axis=1)


def each_position(windows: Windows) -> list[tuple[Ints, Bools | None]]:
    """Positions first, second, … of every window, with a mask where some window has ended.

    A kernel that loops over this list makes one array pass per place in the window; the loop is as
    long as the longest window, whatever the number of series.
    """
    counts = windows.counts
    shortest = int(counts.min(initial=0)) if counts.size else 0
    out: list[tuple[Ints, Bools | None]] = []
    for k in range(windows.longest):
        index = windows.lo + k
        out.append((index, None if k < shortest else index < windows.hi))
    return out
