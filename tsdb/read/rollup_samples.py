"""Statistics of blocks in place of their samples, where windows cannot tell them apart.

A window that holds all samples of a cell, or none of them, has the same least, greatest, first and
last value if the cell is one sample with that value. So a block may answer with cells if no edge of
a window parts one, if nothing of the block was deleted, and if no other part of the store has
samples of its time.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from novaql.tsdb.block.summarise import WHOLE
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import DAMAGE
from novaql.tsdb.model.source import RangeWindows
from novaql.tsdb.parts.part import Part, Rollup
from novaql.tsdb.parts.ranges import RangeSlice, SeriesSubset, cut_ranges
from novaql.tsdb.parts.sorted_run import ArrayStream, SortedRun

_numbers = itertools.count()


def usable_rollups(parts: Sequence[Part], windows: RangeWindows | None) -> list[Rollup | None]:
    """For each part the rollup by which it may answer; None: by its samples alone, as it is where
    what belongs to rollups is damaged."""
    if windows is None or len(windows.ends_ms) == 0:
        return [None] * len(parts)
    edges = windows.edges_ms()
    # Where rollups alone are left, windows are asked for as `whole_cells` answers them.
    return [
        _usable(part, edges) if is_alone(part, parts) and not part.downsampled_ms else None
        for part in parts
    ]


def is_alone(part: Part, parts: Sequence[Part]) -> bool:
    """Whether no other part may have samples of its time."""
    return not any(
        other is not part and other.first_ms <= part.last_ms and part.first_ms <= other.last_ms
        for other in parts
    )


def _usable(part: Part, edges: Ints) -> Rollup | None:
    low, high = np.searchsorted(edges, [part.first_ms, part.last_ms])
    inside = edges[low:high]
    try:
        rollups = part.rollups() if len(part.layers()) == 1 else ()
    except DAMAGE:  # of the samples' own directories, too: then reading them will tell
        return None
    # Where there is a second layer, a histogram may be first or last among a series' samples.
    for rollup in rollups:
        if len(inside) == 0 or (
            rollup.resolution_ms != WHOLE and not (inside % rollup.resolution_ms).any()
        ):
            return rollup
    return None


def by_cells(
    cuts: Sequence[RangeSlice], rollup: Rollup, windows: RangeWindows, start_ms: int, end_ms: int
) -> list[RangeSlice]:
    """The cuts of a part, with cells in place of samples for those series all of whose cells have
    the statistic. Cells that are damaged are left alone: the samples tell the same."""
    out: list[RangeSlice] = []
    for cut in cuts:
        try:
            known, run = _cells_of(cut, rollup, windows.statistic)
        except DAMAGE:
            out.append(cut)
            continue
        some = np.flatnonzero(known)
        out += cut_ranges([SeriesSubset(run, some, cut.rows[some])], start_ms, end_ms)
        if len(some) < len(known):
            out.append(cut.take(np.flatnonzero(~known)))
    return out


def _cells_of(cut: RangeSlice, rollup: Rollup, statistic: str) -> tuple[Bools, SortedRun]:
    """For each series of a cut whether all of its cells have the statistic; and the cells."""
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
