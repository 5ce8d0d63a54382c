"""Windows over a batch of series, and the compiled kernels that work on them.

These are the compiled twins of the kernels in `rate`, `over_time`, `quantiles` and `regression`:
the same answers for all series of a batch in one call. Their results are packed: each series has
only the strip of steps at which its windows contain samples (see `compiled/strips.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.dispatch import KERNELS, StripCells
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.series_batch import SeriesBatch

Bytes = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class WindowSpec:
    """The windows (end - reach_ms, end] of every step, and the parameters of their function.

    ends_ms   [J], evenly spaced or all equal
    range_ms  what rates are spread over; `reach_ms`, or 1 ms less where left ends are included
    eval_ms   [J] evaluation times: they differ from `ends_ms` where there is an offset
    scalars   arguments of the function, [J] each, in the order of the call
    before_ms  how far left of a window the sample before it may lie, which `anchored` windows use
    """

    ends_ms: Ints
    reach_ms: int
    range_ms: int
    eval_ms: Ints
    scalars: Sequence[Floats] = ()
    before_ms: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Strips:
    """The windows of every step over a batch.

    first     [G] first step at which a window of the grid holds a sample
    strip     [G + 1] grid g has the cells strip[g]:strip[g + 1], one a step from there on
    lo, hi    [cells] first and one past last sample of each window, from the series' first one
    cells     [S + 1] where each series' strip begins, and where the last one ends
    """

    batch: SeriesBatch
    spec: WindowSpec
    first: Ints
    strip: Ints
    lo: np.ndarray[tuple[int], np.dtype[np.int32]]
    hi: np.ndarray[tuple[int], np.dtype[np.int32]]
    cells: Ints

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The arguments of compiled kernels."""
        b = self.batch
        of_batch = b.values, b.offsets, b.grid, b.times, b.grid_offsets
        return *of_batch, self.first, self.strip, self.lo, self.hi

    @property
    def steps(self) -> int:
        return len(self.spec.ends_ms)

    def whole(self) -> bool:
        """Whether every series has every step."""
        return int(self.cells[-1]) == self.batch.series_count * self.steps


def strips_of(batch: SeriesBatch, spec: WindowSpec) -> Strips:
    """Compute the positions of the windows."""
    ends_ms = spec.ends_ms
    step_ms = int(ends_ms[1] - ends_ms[0]) if len(ends_ms) > 1 else 1
    first, strip, lo, hi = KERNELS.call.strip_bounds(
        batch.times, batch.grid_offsets, ends_ms, step_ms, spec.reach_ms
    )
    lengths = strip[1:] - strip[:-1]
    cells = np.zeros(len(batch.rows) + 1, np.int64)
    np.cumsum(lengths[batch.grid], out=cells[1:])
    return Strips(batch, spec, first, strip, lo, hi, cells)


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """Which cells hold a value.

    flags   of the cells of all grids (`shared`), or of those of some series, one after another
    whole   all of them do
    """

    flags: Bools
    shared: bool
    whole: bool


def holding(strips: Strips, samples: int) -> Presence:
    """Windows with at least this many samples."""
    flags = strips.hi - strips.lo >= samples
    return Presence(flags, True, bool(flags.all()))


def known(strips: Strips, samples: int, begin: int, end: int, values: Floats) -> Presence:
    """Windows of series begin … end - 1 with this many samples and a value other than NaN."""
    counts = np.empty(int(strips.cells[end] - strips.cells[begin]))
    KERNELS.call.strip_repeat(
        strips.arrays, (strips.hi - strips.lo).astype(np.float64), begin, end, counts
    )
    flags = (counts >= samples) & ~np.isnan(values[: len(counts)])
    return Presence(flags, False, bool(flags.all()))


def alive(strips: Strips, begin: int, end: int) -> Presence:
    """Windows of series begin … end - 1 whose newest sample no staleness marker follows."""
    markers = strips.batch.markers
    assert markers is not None
    flags = np.empty(int(strips.cells[end] - strips.cells[begin]), np.bool_)
    KERNELS.call.strip_alive(
        strips.arrays, strips.spec.ends_ms, markers.offsets, markers.times, begin, end, flags
    )
    return Presence(flags, False, bool(flags.all()))


StripKernel = Callable[[Strips, int, int, Floats], None]
"""(strips, first series, one past the last, out): the cells of these series, one after another;
arbitrary values for missing ones."""


@dataclass(frozen=True, slots=True)
class StripRollup:
    """A kernel, and how many samples a window needs for a value.

    accepts  whether the kernel can run with these scalar arguments, [J] each; None: always
    gaps     NaN means that a window has no value
    """

    fill: StripKernel
    samples: int = 1
    accepts: Callable[[Sequence[Floats]], bool] | None = None
    gaps: bool = False


def same_at_all_steps(scalars: Sequence[Floats]) -> bool:
    return all((scalar == scalar[:1]).all() for scalar in scalars)


def are_factors(scalars: Sequence[Floats]) -> bool:
    """Whether all lie between 0 and 1, or are NaN."""
    return not any(((scalar <= 0) | (scalar >= 1)).any() for scalar in scalars)


def kernel(
    name: str, arguments: Callable[[Strips], Sequence[Any]] = lambda strips: ()
) -> StripKernel:
    """The compiled kernel of this name; arguments: what it takes of strips beside their arrays."""

    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        getattr(KERNELS.call, name)(strips.arrays, *arguments(strips), begin, end, out)

    return fill


def _falls(batch: SeriesBatch) -> Bytes:
    """[S]: whether a series ever decreases, or -1: not known. The kernel fills it in."""
    falls = batch.derived.falls
    if falls is None:
        falls = batch.derived.falls = np.full(len(batch.rows), -1, np.int8)
    return falls


def rates(*, is_counter: bool, is_rate: bool) -> StripKernel:
    def arguments(strips: Strips) -> Sequence[Any]:
        falls = _falls(strips.batch) if is_counter else np.zeros(0, np.int8)
        return strips.spec.ends_ms, falls, strips.spec.range_ms, is_counter, is_rate

    return kernel("strip_rates", arguments)


def lines(*, slopes: bool) -> StripKernel:
    def arguments(strips: Strips) -> Sequence[Any]:
        seconds = np.zeros(strips.steps) if slopes else strips.spec.scalars[0]
        return strips.spec.eval_ms, seconds, slopes

    return kernel("strip_lines", arguments)


def flagged(name: str, flag: bool) -> StripKernel:
    """A kernel that takes one flag."""
    return kernel(name, lambda strips: (flag,))


def repeated(of_cell: Callable[[Strips], Floats]) -> StripKernel:
    """What is the same for all series of a grid."""
    return kernel("strip_repeat", lambda strips: (of_cell(strips),))


newest, oldest = flagged("strip_edges", True), flagged("strip_edges", False)
"""The newest and the oldest sample of each window."""
variances, deviations = flagged("strip_variances", False), flagged("strip_variances", True)
smoothed = kernel("strip_smoothed", lambda strips: strips.spec.scalars)
QUANTILE, DISTINCT, MODE, DEVIATION, OUTLIER = range(5)
quantiles = kernel("strip_quantiles", lambda strips: (QUANTILE, strips.spec.scalars[0]))


def ordered(what: int) -> StripKernel:
    """The median of each window (`QUANTILE`), its `MODE`, how many `DISTINCT` values it has, the
    median `DEVIATION`, or the newest value if it is an `OUTLIER`, else NaN."""
    return kernel("strip_quantiles", lambda strips: (what, np.full(strips.steps, 0.5)))


def cells(
    strips: Strips, values: Floats, present: Presence, place: Ints, begin: int, end: int
) -> StripCells:
    """The cells of series begin … end - 1 for compiled folds; place: [S] of the whole batch."""
    return StripCells(
        place, strips.batch.grid, strips.first, strips.strip, values,
        present.flags, present.shared, present.whole, begin, end,
    )  # fmt: skip


def spread(cells: StripCells, out: Floats, valid: Bools) -> None:
    """Each series into its row of `out` and `valid`, [rows, J]."""
    KERNELS.call.spread(tuple(cells), out, valid)
