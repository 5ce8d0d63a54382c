"""Compiled kernels put together from others: over changed values, or of several answers.

A function that is, say, the mean of squares is a change of the values, then the compiled mean. So
few kernels have to be compiled. Changes read only the samples of series `begin` … `end` - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.neighbours import Term
from novaql.evaluator.kernels.strips import StripKernel, Strips, flagged, repeated
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.series_batch import Derived

sums, means = flagged("strip_sums", False), flagged("strip_sums", True)
minima, maxima = flagged("strip_extremes", False), flagged("strip_extremes", True)


def _with_values(strips: Strips, low: int, high: int, changed: Floats) -> Strips:
    """The same windows over other values of samples low … high - 1; the others are undefined."""
    batch = strips.batch
    values = np.empty(len(batch.values))
    values[low:high] = changed
    return replace(strips, batch=replace(batch, values=values, derived=Derived()))


def _samples(strips: Strips, begin: int, end: int) -> tuple[int, int]:
    return int(strips.batch.offsets[begin]), int(strips.batch.offsets[end])


def mapped(kernel: StripKernel, change: Callable[[Floats, Strips], Floats]) -> StripKernel:
    """A kernel over values of which each has been changed by itself."""

    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        low, high = _samples(strips, begin, end)
        with np.errstate(all="ignore"):
            changed = change(strips.batch.values[low:high], strips)
        kernel(_with_values(strips, low, high, changed), begin, end, out)

    return fill


def of_pairs(kernel: StripKernel, term: Term) -> StripKernel:
    """A kernel over the terms of the pairs of neighbours in each window."""

    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        batch = strips.batch
        low, high = _samples(strips, begin, end)
        terms, values = np.zeros(high - low), batch.values[low:high]
        seconds = _seconds_before(strips, begin, end)
        with np.errstate(all="ignore"):
            terms[1:] = term(values[:-1], values[1:], seconds[1:])
        others = _with_values(strips, low, high, terms)
        kernel(replace(others, lo=np.minimum(strips.lo + 1, strips.hi)), begin, end, out)

    return fill


def _seconds_before(strips: Strips, begin: int, end: int) -> Floats:
    """Since the sample before, of each sample; undefined of the first of a series."""
    batch = strips.batch
    gaps = np.diff(batch.times, prepend=batch.times[:1]) / 1000.0
    grids = batch.grid[begin:end]
    return gaps[flat_positions(batch.grid_offsets[grids], np.diff(batch.offsets[begin : end + 1]))]


def joined(combine: Callable[..., Floats], *kernels: StripKernel) -> StripKernel:
    """What `combine` makes of the answers of several kernels."""

    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        count = int(strips.cells[end] - strips.cells[begin])
        parts = [np.empty(count) for _ in kernels]
        for kernel, part in zip(kernels, parts, strict=True):
            kernel(strips, begin, end, part)
        with np.errstate(all="ignore"):
            out[:count] = combine(*parts)

    return fill


def cell_steps(strips: Strips) -> Ints:
    """The step of each cell of all grids."""
    lengths = np.diff(strips.strip)
    return np.arange(int(strips.strip[-1])) + np.repeat(strips.first - strips.strip[:-1], lengths)


def scalar(number: int) -> StripKernel:
    """A scalar argument of the function, in each cell."""
    return repeated(lambda strips: strips.spec.scalars[number][cell_steps(strips)])


def grid_windows(strips: Strips) -> Windows:
    """The windows of every grid over its times, as if each grid were a series. No values."""
    batch, step, lengths = strips.batch, cell_steps(strips), np.diff(strips.strip)
    base = np.repeat(batch.grid_offsets[:-1], lengths)
    grid = np.repeat(np.arange(len(lengths)), lengths)
    return Windows(
        np.zeros(0),
        batch.times,
        base + strips.lo,
        base + strips.hi,
        strips.spec.ends_ms[step],
        strips.spec.range_ms,
        (len(lengths), strips.steps),
        grid * strips.steps + step,
        batch.grid_offsets,
    )


def of_times(kernel: Callable[..., tuple[Floats, Bools]]) -> StripKernel:
    """A kernel in NumPy that reads times alone, which many series share.

    kernel  takes the windows of the grids, and scalar arguments, one for each window
    """

    def of_cells(strips: Strips) -> Floats:
        windows = grid_windows(strips)
        with np.errstate(all="ignore"):
            found, _ = kernel(windows, *map(windows.per_step, strips.spec.scalars))
        return np.ascontiguousarray(found, np.float64)

    return repeated(of_cells)
