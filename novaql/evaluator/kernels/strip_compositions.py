"""Compiled kernels that are composed of others: over changed values, or of several answers.

A function that is, say, the mean of squares is a change of the values, then the compiled mean. So
few kernels have to be compiled. Changes read only the samples of series `begin` … `end` - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels import neighbours
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.neighbours import Term
from novaql.evaluator.kernels.strips import StripKernel, Strips, flagged, repeated
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.tsdb.model.series_batch import Derived

sums, means = flagged("strip_sums", False), flagged("strip_sums", True)
minima, maxima = flagged("strip_extremes", False), flagged("strip_extremes", True)


TERMS = (
    neighbours.rise, neighbours.fall, neighbours.reset, neighbours.area, neighbours.change,
    neighbours.slope, neighbours.growth, neighbours.speed, neighbours.gap,
)  # fmt: skip
"""Those that are compiled, as `compiled.strip_pairs` numbers them."""


def _with_values(strips: Strips, begin: int, values: Floats) -> Strips:
    """The same windows over other values, which are those of series `begin` and of later ones."""
    batch = strips.batch
    offsets = batch.offsets - batch.offsets[begin]
    return replace(strips, batch=replace(batch, values=values, offsets=offsets, derived=Derived()))


def mapped(kernel: StripKernel, change: Callable[[Floats, Strips], Floats]) -> StripKernel:
    """A kernel over values of which each has been changed by itself."""

    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        low, high = strips.batch.offsets[begin], strips.batch.offsets[end]
        with np.errstate(all="ignore"):
            changed = change(strips.batch.values[low:high], strips)
        kernel(_with_values(strips, begin, changed), begin, end, out)

    return fill


def of_pairs(kernel: StripKernel, term: Term) -> StripKernel:
    """A kernel over the terms of the pairs of neighbours in each window."""
    number = TERMS.index(term)

    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        offsets = strips.batch.offsets
        terms = np.empty(int(offsets[end] - offsets[begin]))
        KERNELS.call.strip_pair_terms(strips.arrays, number, begin, end, terms)
        others = _with_values(strips, begin, terms)
        kernel(replace(others, lo=np.minimum(strips.lo + 1, strips.hi)), begin, end, out)

    return fill


def joined(combine: Callable[..., Floats], *kernels: StripKernel) -> StripKernel:
    """A kernel that combines the results of several kernels."""

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
