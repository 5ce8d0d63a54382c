"""Windows over a batch of series, and the compiled kernels that work on them.

These are the compiled twins of the kernels in `rate`, `over_time`, `quantiles` and `regression`:
the same answers for all series of a batch in one call. What they compute is packed: of each
series only the strip of steps at which its windows hold samples (see `compiled/strips.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.tsdb.model.series_batch import SeriesBatch

Bytes = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class WindowSpec:
    """The windows (end - reach_ms, end] of every step, and what is asked of them.

    ends_ms   [J], evenly spaced or all equal
    range_ms  what rates are spread over; `reach_ms`, or 1 ms less where left ends are included
    eval_ms   [J] evaluation times: they differ from `ends_ms` where there is an offset
    scalars   arguments of the function, [J] each, in the order of the call
    """

    ends_ms: Ints
    reach_ms: int
    range_ms: int
    eval_ms: Ints
    scalars: Sequence[Floats] = ()


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
    def steps(self) -> int:
        return len(self.spec.ends_ms)

    def whole(self) -> bool:
        """Whether every series has every step."""
        return int(self.cells[-1]) == self.batch.series_count * self.steps


def strips_of(batch: SeriesBatch, spec: WindowSpec) -> Strips:
    """Where the windows lie."""
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

    flags   of the cells of all grids (`shared`), or of those of some series, one after the other
    whole   all of them do
    """

    flags: Bools
    shared: bool
    whole: bool


def holding(strips: Strips, samples: int) -> Presence:
    """Windows that hold at least so many samples."""
    flags = strips.hi - strips.lo >= samples
    return Presence(flags, True, bool(flags.all()))


def alive(strips: Strips, begin: int, end: int) -> Presence:
    """Windows of series begin … end - 1 whose newest sample no staleness marker follows."""
    batch = strips.batch
    markers = batch.markers
    assert markers is not None
    flags = np.empty(int(strips.cells[end] - strips.cells[begin]), np.bool_)
    KERNELS.call.strip_alive(
        batch.times, batch.grid_offsets, batch.grid, strips.first, strips.strip, strips.lo,
        strips.hi, strips.spec.ends_ms, markers.offsets, markers.times, begin, end, flags,
    )  # fmt: skip
    return Presence(flags, False, bool(flags.all()))


StripKernel = Callable[[Strips, int, int, Floats], None]
"""(strips, first series, one past the last, out): the cells of these series, one after the other;
anything where there is none."""


@dataclass(frozen=True, slots=True)
class StripRollup:
    """A kernel, and how many samples a window needs for a value."""

    fill: StripKernel
    samples: int = 1


def newest(strips: Strips, begin: int, end: int, out: Floats) -> None:
    """The newest sample of each window."""
    _edges(strips, begin, end, out, last=True)


def oldest(strips: Strips, begin: int, end: int, out: Floats) -> None:
    _edges(strips, begin, end, out, last=False)


def _edges(strips: Strips, begin: int, end: int, out: Floats, *, last: bool) -> None:
    b = strips.batch
    KERNELS.call.strip_edges(
        b.values, b.offsets, b.grid, strips.strip, strips.lo, strips.hi, begin, end, last, out
    )


def _falls(batch: SeriesBatch) -> Bytes:
    """[S]: whether a series ever decreases, or -1: not known. The kernel fills it in."""
    falls = batch.derived.falls
    if falls is None:
        falls = batch.derived.falls = np.full(len(batch.rows), -1, np.int8)
    return falls


def rates(*, is_counter: bool, is_rate: bool) -> StripKernel:
    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        b, spec = strips.batch, strips.spec
        falls = _falls(b) if is_counter else np.zeros(0, np.int8)
        KERNELS.call.strip_rates(
            b.values, b.offsets, b.grid, b.times, b.grid_offsets, strips.first, strips.strip,
            strips.lo, strips.hi, spec.ends_ms, falls, spec.range_ms, is_counter, is_rate,
            begin, end, out,
        )  # fmt: skip

    return fill


def changes(*, is_rate: bool) -> StripKernel:
    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        b = strips.batch
        KERNELS.call.strip_steps(
            b.values, b.offsets, b.grid, b.times, b.grid_offsets, strips.strip, strips.lo,
            strips.hi, begin, end, is_rate, out,
        )  # fmt: skip

    return fill


def of_windows(name: str, flag: bool) -> StripKernel:
    """A kernel that takes windows and one flag."""

    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        b = strips.batch
        getattr(KERNELS.call, name)(
            b.values, b.offsets, b.grid, strips.strip, strips.lo, strips.hi, begin, end, flag, out
        )

    return fill


def repeated(of_cell: Callable[[Strips], Floats]) -> StripKernel:
    """What is the same for all series of a grid."""

    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        KERNELS.call.strip_repeat(of_cell(strips), strips.batch.grid, strips.strip, begin, end, out)

    return fill


def quantiles(strips: Strips, begin: int, end: int, out: Floats) -> None:
    b, q = strips.batch, strips.spec.scalars[0]
    KERNELS.call.strip_quantiles(
        b.values, b.offsets, b.grid, strips.first, strips.strip, strips.lo, strips.hi, q,
        begin, end, out,
    )  # fmt: skip


def lines(*, slopes: bool) -> StripKernel:
    def fill(strips: Strips, begin: int, end: int, out: Floats) -> None:
        b = strips.batch
        seconds = np.zeros(strips.steps) if slopes else strips.spec.scalars[0]
        KERNELS.call.strip_lines(
            b.values, b.offsets, b.grid, b.times, b.grid_offsets, strips.first, strips.strip,
            strips.lo, strips.hi, strips.spec.eval_ms, seconds, slopes, begin, end, out,
        )  # fmt: skip

    return fill
