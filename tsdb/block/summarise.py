"""Summarises samples by cell while a block is written: its statistics and its rollups."""

from __future__ import annotations

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.exact_sums import are_whole, exact_sums, two_sum
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats, is_stale

STATISTICS = ("min", "max", "sum", "first", "last", "count", "increase")
"""Statistics of every block; computed from samples on demand."""
EXACT = (*STATISTICS, "lost", "whole", "falls", "fallen", "least", "greatest")
"""Statistics of merged blocks: sums and rates of whole windows are computed from these."""
WHOLE = 0
"""The resolution at which all samples of a series in a block are one cell."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells of the grids of a column.

    A cell of resolution R has the samples of (n · R, (n + 1) · R]; cells without samples do not
    exist.

    length  [G] number of cells of each grid
    size    number of samples of each cell, grid after grid
    first   time of the first sample of each cell
    last    time of the last sample
    """

    length: Ints
    size: Ints
    first: Ints
    last: Ints

    def of_series(self, grid_of: Ints) -> Ints:
        """Return the sizes of the cells of each series, series after series."""
        begins = np.cumsum(self.length) - self.length
        return self.size[flat_positions(begins[grid_of], self.length[grid_of])]


def cut_cells(times: Ints, grid_length: Ints, resolution_ms: int) -> Cells:
    """times: of all grids, one after another."""
    begins = np.zeros(len(times), np.bool_)
    begins[np.cumsum(grid_length) - grid_length] = True
    if resolution_ms != WHOLE:
        cell = (times - 1) // resolution_ms
        begins[1:] |= cell[1:] != cell[:-1]
    first = np.flatnonzero(begins)
    grid = np.searchsorted(np.cumsum(grid_length), first, side="right")
    ends = np.append(first[1:], len(times))
    length = np.bincount(grid, minlength=len(grid_length))
    return Cells(length, ends - first, times[first], times[ends - 1])


class Summing:
    """Computes statistics of cells from the values of all series, which arrive page by page.

    Staleness markers are not samples. Sums of whole numbers below 2^53 are exact. `increase` is
    that of a counter, from the first to the last sample; a decrease is a reset to zero. `min` and
    `max` are NaN, which means unknown, if a NaN or a negative zero is among the samples: which zero
    is found would depend on how the samples are divided.

    exact: compute `EXACT`. Then `sum` + `lost` is the exact sum, to about 2^-100; `whole` is 1 if
    all values are whole numbers; `falls` is the number of samples that are less than the one
    before, and `fallen` the sum of those before; where `min` and `max` are unknown, `least` and
    `greatest` are the extremes of all values but NaN (of zeros either one), and 0 elsewhere.
    """

    def __init__(self, sizes: Ints, *, exact: bool = False) -> None:
        self.names = EXACT if exact else STATISTICS
        self._ends = np.cumsum(sizes)
        self._at = 0
        self._cell: list[Ints] = []
        self._found: list[tuple[Floats, ...]] = []

    def take(self, values: Floats) -> None:
        """Add the next values of the stream; a cell may continue in the next call."""
        end = self._at + len(values)
        first = int(np.searchsorted(self._ends, self._at, side="right"))
        last = int(np.searchsorted(self._ends, end, side="left"))
        ends = np.minimum(self._ends[first : last + 1], end) - self._at
        cells = np.arange(first, last + 1)
        stale = is_stale(values)
        if stale.any():
            counted = np.append(0, np.cumsum(~stale))
            values, ends = values[~stale], counted[ends]
            some = np.diff(ends, prepend=0) > 0
            cells, ends = cells[some], ends[some]
        if len(cells):
            self._cell.append(cells)
            exactly = len(self.names) > len(STATISTICS)
            self._found.append(_summed(values, ends, exact=exactly))
        self._at = end

    def done(self) -> dict[str, Floats]:
        """[cells] of each statistic; NaN, and a count of 0, for cells without samples."""
        count = len(self._ends)
        out = {name: np.full(count, np.nan) for name in self.names}
        out["count"][:] = 0
        if not self._cell:
            return out
        columns = (np.concatenate(column) for column in zip(*self._found, strict=True))
        cells, found = combined(np.concatenate(self._cell), tuple(columns))
        for name, column in zip(self.names, found, strict=True):
            out[name][cells] = column
        return out


def combined(cell: Ints, columns: tuple[Floats, ...]) -> tuple[Ints, tuple[Floats, ...]]:
    """Combine pieces of cells. Returns the cells and their statistics.

    cell     [P] equal for the pieces of one cell, which are adjacent and in order of time
    columns  [P] each, in the order of `STATISTICS`, or of `EXACT`
    """
    low, high, total, first, last, size, increase = columns[: len(STATISTICS)]
    begins = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))
    ends = np.append(begins[1:], len(cell)) - 1
    # increase from the last sample of the piece before, in the same cell
    joint = np.zeros(len(cell))
    joint[1:] = np.where(cell[1:] == cell[:-1], _steps(last[:-1], first[1:]), 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = [np.add.reduceat(one, begins) for one in (total, size, increase + joint)]
    found = (
        np.minimum.reduceat(low, begins),
        np.maximum.reduceat(high, begins),
        sums[0],
        first[begins],
        last[ends],
        sums[1],
        sums[2],
    )
    if len(columns) == len(STATISTICS):
        return cell[begins], found
    lost, whole, falls, fallen, least, greatest = columns[len(STATISTICS) :]
    extremes = (
        _unless_known(found[0], np.fmin.reduceat(np.where(np.isnan(low), least, low), begins)),
        _unless_known(found[1], np.fmax.reduceat(np.where(np.isnan(high), greatest, high), begins)),
    )
    follows = np.append(False, cell[1:] == cell[:-1])
    drops = np.append(0.0, np.where(first[1:] < last[:-1], 1.0, 0.0)) * follows
    dropped = np.where(drops > 0, np.append(0.0, last[:-1]), 0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        total, missing = exact_sums(total, begins)
        total, missing = two_sum(total, missing + np.add.reduceat(lost, begins))
        fallen = np.add.reduceat(dropped + fallen, begins)
    return cell[begins], (
        *found[:2],
        total,
        *found[3:],
        np.where(np.isfinite(missing), missing, 0.0),
        np.minimum.reduceat(whole, begins),
        np.add.reduceat(drops + falls, begins),
        fallen,
        *extremes,
    )


def _unless_known(extreme: Floats, other: Floats) -> Floats:
    """Return 0 if the extreme is known: zeros cost almost nothing on disk."""
    found: Floats = np.where(np.isnan(extreme), other, 0.0)
    return found


def _steps(before: Floats, after: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        found: Floats = np.where(after < before, after, after - before)
    return found


def _summed(values: Floats, ends: Ints, *, exact: bool) -> tuple[Floats, ...]:
    """Return statistics of cells that end there, in the order of `STATISTICS`, or of `EXACT`."""
    begins = np.append(0, ends[:-1])
    low, high = np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)
    negative_zero = (values == 0) & np.signbit(values)
    if negative_zero.any():
        there = np.logical_or.reduceat(negative_zero, begins)
        low[there] = high[there] = np.nan
    steps = np.zeros(len(values))
    steps[1:] = _steps(values[:-1], values[1:])
    steps[begins] = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        total, increase = np.add.reduceat(values, begins), np.add.reduceat(steps, begins)
    size = (ends - begins).astype(np.float64)
    found = low, high, total, values[begins], values[ends - 1], size, increase
    if not exact:
        return found
    total, lost = exact_sums(values, begins)
    whole = np.logical_and.reduceat(are_whole(values), begins)
    falls = np.append(False, values[1:] < values[:-1])
    falls[begins] = False
    fallen = np.where(falls, np.append(0.0, values[:-1]), 0.0)
    with np.errstate(over="ignore"):
        fallen = np.add.reduceat(fallen, begins)
    return (
        *found[:2],
        total,
        *found[3:],
        lost,
        whole.astype(np.float64),
        np.add.reduceat(falls.astype(np.float64), begins),
        fallen,
        _unless_known(low, np.fmin.reduceat(values, begins)),
        _unless_known(high, np.fmax.reduceat(values, begins)),
    )
