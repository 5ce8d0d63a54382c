"""Window bounds, and samples as window kernels see them.

A window of step t is the half-open range of samples in (t - range, t]. For samples that share
timestamps (a matrix) the bounds are found once for all series; for ragged samples once per series,
without a search: arithmetic determines the steps at which each sample enters and leaves the window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Samples and the windows to be computed over them.

    Regular: all S series have the same J windows. Ragged: each series has its own, and only those
    that hold a sample are here, C of them, series after series (most are empty where series come
    and go). A kernel computes an array of `shape`, [S, J] or [C], and does not depend on which.

    values    regular: [S, T]; ragged: flat [N]
    times     milliseconds; regular: [T]; ragged: flat [N]
    lo, hi    first and one-past-last sample of each window: [J], or [C] as positions in the flat
              arrays. They do not decrease
    ends_ms   right end of each window (included), shaped like lo
    range_ms  length of each window; its left end is ends_ms - range_ms (excluded)
    cells     None: regular. Ragged: [C], where each window belongs in a flat [S × J]
    grid      (S, J)
    offsets   None: regular. Ragged: [S + 1]
    starts    None, or, ragged only, [N] start timestamps of the samples, 0: not known
    """

    values: Floats
    times: Ints
    lo: Ints
    hi: Ints
    ends_ms: Ints
    range_ms: int
    grid: tuple[int, int]
    cells: Ints | None = None
    offsets: Ints | None = None
    starts: Ints | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.grid if self.cells is None else self.cells.shape

    @property
    def counts(self) -> Ints:
        """Samples in each window, shaped like `lo`."""
        return self.hi - self.lo

    @property
    def size(self) -> int:
        """How many windows there are in all."""
        return math.prod(self.shape)

    @property
    def longest(self) -> int:
        return int(self.counts.max(initial=0))

    def at(self, index: Ints) -> Floats:
        """Values at positions shaped like `lo`; positions out of range are pulled to the edge."""
        if self.values.size == 0:
            return np.zeros(self.shape)
        if self.cells is None:
            return self.values.take(index, axis=1, mode="clip")
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

    def some(self, numbers: Ints) -> Windows:
        """These of ragged windows; they need not be in order."""
        return replace(
            self,
            lo=self.lo[numbers],
            hi=self.hi[numbers],
            ends_ms=self.ends_ms[numbers],
            cells=numbers,
        )

    def per_step(self, of_step: NDArray[Any]) -> NDArray[Any]:
        """[J] (one item per step) brought to the shape of `lo`."""
        return of_step if self.cells is None else of_step[self.cells % self.grid[1]]

    def on_grid(self, out: NDArray[Number], valid: Bools) -> tuple[NDArray[Number], Bools]:
        """A kernel's output, or something shaped like `lo`, as [S, J], and a mask that broadcasts
        against it."""
        if self.cells is None:
            return np.broadcast_to(out, self.grid), valid
        values, there = np.zeros(self.grid, out.dtype), np.zeros(self.grid, np.bool_)
        values.reshape(-1)[self.cells] = out
        there.reshape(-1)[self.cells] = valid
        return values, there


def regular_windows(values: Floats, times: Ints, ends_ms: Ints, range_ms: int) -> Windows:
    """values [S, T], times [T], ends_ms [J]: every series has the same windows."""
    lo = times.searchsorted(ends_ms - range_ms, side="right")
    hi = times.searchsorted(ends_ms, side="right")
    return Windows(values, times, lo, hi, ends_ms, range_ms, (len(values), len(ends_ms)))


def ragged_windows(
    values: Floats,
    times: Ints,
    offsets: Ints,
    ends_ms: Ints,
    range_ms: int,
    cells: Ints | None = None,
) -> Windows:
    """Flat values and times, series i at offsets[i]:offsets[i + 1].

    ends_ms: [J], evenly spaced or all equal. cells: these windows, instead of the non-empty ones.
    """
    series, steps = len(offsets) - 1, len(ends_ms)
    step_ms = int(ends_ms[1] - ends_ms[0]) if steps > 1 else 1
    distinct = steps if step_ms else 1  # all equal: one window, repeated
    since, step_ms = times - ends_ms[0], step_ms or 1
    if cells is not None:
        at = cells if distinct == steps else cells // steps
        lo, hi = (_all(since + ms, offsets, step_ms, distinct)[at] for ms in (range_ms, 0))
        ends = ends_ms[cells % steps]
        return Windows(values, times, lo, hi, ends, range_ms, (series, steps), cells, offsets)
    few = series * distinct * 64 < len(times)
    find = _searched if few else _held
    lo, hi, cells, step = find(since, offsets, step_ms, range_ms, distinct)
    if distinct < steps:
        lo, hi = np.repeat(lo, steps), np.repeat(hi, steps)
        cells = (cells[:, None] * steps + np.arange(steps)).ravel()
        step = np.zeros(len(cells), np.int64)
    ends = ends_ms[0] + step * step_ms
    return Windows(values, times, lo, hi, ends, range_ms, (series, steps), cells, offsets)


def _searched(
    since: Ints, offsets: Ints, step_ms: int, range_ms: int, steps: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """As `_held`, by halving: for few windows over many samples."""
    ends = np.arange(steps) * step_ms
    lo, hi = (_bisected(since, offsets, ends - reach).reshape(-1) for reach in (range_ms, 0))
    cells = np.flatnonzero(hi > lo)
    return lo[cells], hi[cells], cells, cells % steps


def _bisected(since: Ints, offsets: Ints, moments: Ints) -> Ints:
    """[S, J]: one past the last sample of each series at or before each moment."""
    shape = (len(offsets) - 1, len(moments))
    low = np.broadcast_to(offsets[:-1, None], shape).copy()
    high = np.broadcast_to(offsets[1:, None], shape).copy()
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        at_or_before = since[np.where(open_, middle, 0)] <= moments
        low = np.where(open_ & at_or_before, middle + 1, low)
        high = np.where(open_ & ~at_or_before, middle, high)
    return low


def _held(
    since: Ints, offsets: Ints, step_ms: int, range_ms: int, steps: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """lo, hi, cells and steps of the windows that hold a sample. since: times less the first end.

    Of each series only the strip of steps from the first sample's first window to the last sample's
    last one is searched: it is short for series that come and go.
    """
    lengths = np.diff(offsets)
    enters = since + (step_ms - 1)
    enters //= step_ms  # ceiling: the first step that has the sample in its window
    if range_ms % step_ms:
        leaves = since + (range_ms + step_ms - 1)
        leaves //= step_ms
    else:
        leaves = enters + range_ms // step_ms
    some = lengths > 0
    first, end = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
    first[some] = np.clip(enters[offsets[:-1][some]], 0, steps)
    end[some] = np.clip(leaves[offsets[1:][some] - 1], 0, steps)
    strip = np.maximum(end - first, 0)
    begin = np.zeros(len(strip) + 1, np.int64)
    np.cumsum(strip, out=begin[1:])
    shift = np.repeat(begin[:-1] - first, lengths)

    def running(moments: Ints) -> Ints:
        """Samples whose moment has come, those of all series before among them."""
        np.clip(moments, 0, steps, out=moments)  # past the strip's end only what is past all steps
        moments += shift
        marks = np.bincount(moments, minlength=int(begin[-1]) + 1)
        return np.cumsum(marks[: begin[-1]])

    lo, hi = running(leaves), running(enters)
    step = np.arange(len(lo)) + np.repeat(first - begin[:-1], strip)
    cells = step + np.repeat(np.arange(len(strip), dtype=np.int64) * steps, strip)
    held = hi > lo
    if not held.all():
        lo, hi, cells, step = lo[held], hi[held], cells[held], step[held]
    return lo, hi, cells, step


def _all(since: Ints, offsets: Ints, step_ms: int, steps: int) -> Ints:
    """[S × J]: one past the last sample at or before each step, of every series."""
    series = len(offsets) - 1
    first_step = np.clip(-(-since // step_ms), 0, steps)  # ceiling
    row = np.repeat(np.arange(series, dtype=np.int64), np.diff(offsets))
    marks = np.bincount(row * (steps + 1) + first_step, minlength=series * (steps + 1))
    passed = np.cumsum(marks.reshape(series, steps + 1)[:, :steps], axis=1)
    return (passed + offsets[:-1, None]).reshape(-1)


CELLS_AT_ONCE = 1 << 15
"""Window contents gathered at one time: 256 KiB of values, which stay in the processor's cache."""


def gathered(windows: Windows) -> Iterator[tuple[slice, Floats, Ints, Bools]]:
    """Contents of the windows, a stretch of windows at a time.

    Yields (part, values, times, inside): part, the stretch; values [n, S, j] or [n, c], place by
    place of each window; times and inside broadcast against it; inside: the place is in the window.
    """
    if windows.values.size == 0:
        return
    longest = max(windows.longest, 1)
    rows = windows.grid[0] if windows.cells is None else 1
    stretch = max(1, CELLS_AT_ONCE // (longest * max(rows, 1)))
    place = np.arange(longest)[:, None]
    last = max(windows.values.shape[-1] - 1, 0)
    for first in range(0, len(windows.lo), stretch):
        part = slice(first, first + stretch)
        index = windows.lo[part] + place
        inside = index < windows.hi[part]
        index = np.minimum(index, last)
        values, times = windows.values[..., index], windows.times[index]
        if windows.cells is None:
            yield part, np.moveaxis(values, 1, 0), times[:, None], inside[:, None]
        else:
            yield part, values, times, inside


def each_position(windows: Windows) -> list[tuple[Ints, Bools | None]]:
    """Positions first, second, … of every window, with a mask where some window has ended.

    A kernel that loops over this list makes one array pass per place in the window; the loop is as
    long as the longest window, whatever the number of series.
    """
    counts = windows.counts
    shortest = int(counts.min()) if counts.size else 0
    out: list[tuple[Ints, Bools | None]] = []
    for k in range(windows.longest):
        index = windows.lo + k
        out.append((index, None if k < shortest else index < windows.hi))
    return out
