"""Reads each cell of a rollup as one sample, whose value is a statistic of the cell.

If each window has all samples of a cell or none of them, one sample in place of those of the cell
leaves the minimum, maximum, first or last value of every window as it is.
"""

from __future__ import annotations

import itertools

import numpy as np

from novaql.tsdb.model.labels import Bools
from novaql.tsdb.model.read_errors import DAMAGE
from novaql.tsdb.parts.part import Rollup
from novaql.tsdb.parts.ranges import RangeSlice, SeriesSubset, cut_ranges
from novaql.tsdb.parts.sorted_run import ArrayStream, SortedRun

_numbers = itertools.count()


def with_cells(
    cut: RangeSlice, rollup: Rollup, statistic: str, span: tuple[int, int]
) -> list[RangeSlice]:
    """Replace the samples of a slice by cells, for each series all of whose cells have the
    statistic. If cells are damaged, the samples remain."""
    try:
        known, run = _cells_of(cut, rollup, statistic)
    except DAMAGE:
        return [cut]
    some = np.flatnonzero(known)
    found = cut_ranges([SeriesSubset(run, some, cut.rows[some])], *span)
    if len(some) < len(known):
        found.append(cut.take(np.flatnonzero(~known)))
    return found


def _cells_of(cut: RangeSlice, rollup: Rollup, statistic: str) -> tuple[Bools, SortedRun]:
    """Return for each series of a cut whether all of its cells have the statistic, and a run of the
    cells."""
    directories = rollup.grids
    grids, grid_of = np.unique(directories.grid_of[cut.series], return_inverse=True)
    lengths = directories.grid_length[grids]
    begins = np.cumsum(lengths) - lengths
    of_series = lengths[grid_of]
    starts = np.cumsum(of_series) - of_series
    values = rollup.statistics[statistic].floats(directories.value_start[cut.series], of_series)
    known = ~np.logical_or.reduceat(np.isnan(values), starts)
    run = SortedRun(
        identity=("cells", next(_numbers)),
        grid_of=grid_of.ravel(),
        value_start=starts,
        grid_start=begins,
        grid_length=lengths,
        grid_first=directories.grid_first[grids],
        grid_last=directories.grid_last[grids],
        times=ArrayStream(directories.times.ints(directories.grid_start[grids], lengths)),
        values=ArrayStream(values),
    )
    return known, run
