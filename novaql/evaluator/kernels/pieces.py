"""Windows that are composed of pieces of blocks: work that does not grow with the windows' length.

Samples are cut into blocks of equal size, wherever series begin. The results of the beginnings of a
block (its first sample, its first two, …) and of its endings are computed once. A window is then
an ending, whole blocks, and a beginning. No value is ever subtracted, so even an infinite or huge
sample affects only the windows that contain it. M. van Herk, "A fast algorithm for local minimum
and maximum filters on rectangular and octagonal kernels", Pattern Recognition Letters 13 (1992),
does so for extremes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.compensated import add_compensated
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """C windows, in whatever layout they were, over flat samples.

    windows  the same windows, ragged: flat values, times, positions
    size     samples in a block
    here     the block of each window's first sample
    there    the block of its last one
    whole    [C] the window begins where a block does, and is in that block
    alone    [C'] numbers of windows that are inside of one block otherwise
    """

    windows: Windows
    size: int
    here: Ints
    there: Ints
    whole: Bools
    alone: Ints

    def blocks(self, samples: NDArray[np.float64]) -> Floats:
        """Flat samples [N] as [size, blocks], filled up: a row is one place in all blocks."""
        count = -(-len(samples) // self.size)
        filled = samples
        if count * self.size != len(samples):
            filled = np.zeros(count * self.size)
            filled[: len(samples)] = samples
        return np.ascontiguousarray(filled.reshape(count, self.size).T)

    def between(self) -> Iterator[tuple[Ints, Bools]]:
        """First, second, … block between `here` and `there`, and which windows have it."""
        for ahead in range(1, int((self.there - self.here).max(initial=0))):
            block = self.here + ahead
            has = block < self.there
            yield np.where(has, block, 0), has

    def windows_alone(self) -> Windows:
        return self.windows.some(self.alone)


LEAST = 8
"""Number of samples in a window from which on pieces save time."""


def pieces(windows: Windows, *, size: int | None = None) -> Pieces | None:
    """None: windows are so short, or so few, that their samples are read one by one.

    size  of the blocks; by default half the mean window
    """
    counts = windows.counts
    if counts.size == 0 or windows.values.size == 0:
        return None
    mean = float(counts.mean())
    if size is None:
        if mean < LEAST or mean * windows.size < 4 * windows.values.size:
            return None
        size = int(mean) // 2
    ragged = flat(windows)
    here, there = ragged.lo // size, (ragged.hi - 1) // size
    inside = here == there
    whole = inside & (ragged.lo == here * size)
    return Pieces(ragged, size, here, there, whole, np.flatnonzero(inside & ~whole))


def flat(windows: Windows) -> Windows:
    """The same windows in the ragged layout, empty ones as some sample alone."""
    width = windows.values.shape[-1]
    lo = np.minimum(windows.lo, width - 1)
    hi = np.maximum(windows.hi, lo + 1)
    if windows.cells is not None:
        return replace(windows, lo=lo, hi=hi)
    series = len(windows.values)
    shift = np.arange(series, dtype=np.int64)[:, None] * width
    cells = np.arange(windows.size, dtype=np.int64)
    return replace(
        windows,
        values=windows.values.reshape(-1),
        times=np.tile(windows.times, series),
        lo=(shift + lo).reshape(-1),
        hi=(shift + hi).reshape(-1),
        ends_ms=np.tile(windows.ends_ms, series),
        cells=cells,
        offsets=np.arange(series + 1, dtype=np.int64) * width,
    )


# --- sums --------------------------------------------------------------------------------


def sums(p: Pieces) -> tuple[Floats, Floats]:
    """Compensated sums (total, lost) of the windows, but for those that are `alone`."""
    samples = p.blocks(p.windows.values)
    begun, begun_lost = _running_sums(samples)
    ended, ended_lost = (part[::-1] for part in _running_sums(samples[::-1]))
    at = p.windows.lo - p.here * p.size, p.here
    total, lost = np.where(p.whole, 0.0, ended[at]), np.where(p.whole, 0.0, ended_lost[at])
    for block, has in p.between():
        more = np.where(has, begun[-1, block], 0.0)
        total, lost = add_compensated(total, lost, more)
        lost += np.where(has, begun_lost[-1, block], 0.0)
    at = p.windows.hi - 1 - p.there * p.size, p.there
    total, lost = add_compensated(total, lost, begun[at])
    lost += begun_lost[at]
    return total, lost


def _running_sums(samples: Floats) -> tuple[Floats, Floats]:
    """Compensated sums of the first one, two, … samples of each block."""
    total = _running(samples)
    before, after = total[:-1], total[1:]
    of_value = after - before  # Knuth's TwoSum, as in `add_compensated`
    error = np.zeros(total.shape)
    np.subtract(after, of_value, out=error[1:])
    np.subtract(before, error[1:], out=error[1:])
    np.subtract(samples[1:], of_value, out=of_value)
    error[1:] += of_value
    lost = _running(error)
    if not np.isfinite(np.add.reduce(lost, axis=None)):
        lost[~np.isfinite(total)] = 0.0
    return total, lost


_LONG_ROW = 200
"""Blocks from which on the rows of their places are added by one call each."""


def _running(samples: Floats) -> Floats:
    """The same without compensation."""
    size, blocks = samples.shape
    if blocks < _LONG_ROW:
        return np.add.accumulate(samples, axis=0)
    total = np.empty((size, blocks))
    total[0] = samples[0]
    # Faster than `accumulate`, and other threads wait less for the interpreter's lock.
    for place in range(1, size):
        np.add(total[place - 1], samples[place], out=total[place])
    return total


# --- straight lines ----------------------------------------------------------------------


class Moments(NamedTuple):
    """Of some samples: how many, means of times and values less references of their own, and sums

    of products of what is beyond the means. Differences of references are what is exact.
    """

    size: Floats
    time_ref: Floats
    value_ref: Floats
    time: Floats
    value: Floats
    time_time: Floats
    time_value: Floats


def lines(p: Pieces) -> Moments:
    """Times (seconds) and values of the windows, but for those that are `alone`."""
    times = p.blocks((p.windows.times - p.windows.times[0]) / 1000.0)
    values = p.blocks(p.windows.values)
    begun = _Running.of(times, values)
    ended = _Running.of(times[::-1], values[::-1])
    tail = begun.moments(p.there, p.windows.hi - 1 - p.there * p.size)
    head = ended.moments(p.here, (p.here + 1) * p.size - 1 - p.windows.lo)
    found = Moments(*(np.where(p.whole, one, other) for one, other in zip(tail, head, strict=True)))
    for block, has in p.between():
        whole = begun.moments(block, np.full(block.shape, p.size - 1))
        found = _joined(found, whole, has)
    return _joined(found, tail, ~p.whole)


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    """Sums over the first one, two, … samples of each block, less the block's first sample."""

    time_ref: Floats
    value_ref: Floats
    time: Floats
    value: Floats
    time_time: Floats
    time_value: Floats

    @classmethod
    def of(cls, times: Floats, values: Floats) -> _Running:
        t, v = times - times[:1], values - values[:1]
        return cls(times[0], values[0], *(_running(each) for each in (t, v, t * t, t * v)))

    def moments(self, block: Ints, place: Ints) -> Moments:
        at = place, block
        n = place.astype(np.float64) + 1
        time_sum, value_sum = self.time[at], self.value[at]
        time, value = time_sum / n, value_sum / n
        return Moments(
            n,
            self.time_ref[block],
            self.value_ref[block],
            time,
            value,
            self.time_time[at] - time_sum * time,
            self.time_value[at] - time_sum * value,
        )


def _joined(one: Moments, other: Moments, has: Bools) -> Moments:
    """Both together where there is another one (`has`). Chan, Golub, LeVeque, as in `Variance`."""
    n = np.where(has, other.size, 0.0)
    count = one.size + n
    time = np.where(has, (other.time - one.time) + (other.time_ref - one.time_ref), 0.0)
    value = np.where(has, (other.value - one.value) + (other.value_ref - one.value_ref), 0.0)
    share = n / count
    weight = one.size * share
    return Moments(
        count,
        one.time_ref,
        one.value_ref,
        one.time + time * share,
        one.value + value * share,
        one.time_time + np.where(has, other.time_time, 0.0) + time * time * weight,
        one.time_value + np.where(has, other.time_value, 0.0) + time * value * weight,
    )
