"""Reads statistics of series cell by cell, from rollups of blocks, or computed from samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.summarise import STATISTICS, WHOLE, combined
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.part import Part, Rollup
from novaql.tsdb.parts.part_list import PartList
from novaql.tsdb.read.planner import Caches, read_undamaged
from novaql.tsdb.read.rollup_cells import CellRequest, PartCells, offered


@dataclass(frozen=True, slots=True, eq=False)
class RolledUp:
    """Statistics of the floats of some series, by series, then time; each cell has samples.

    rows        [C] row of `series` that a cell belongs to
    times_ms    [C] end of each cell, which is (end - resolution, end]
    statistics  [C] each: "min", "max", "sum", "first", "last", "count", "increase"
    from_cells  number of cells that were read from rollups, without their samples
    """

    series: SeriesTable
    rows: Ints
    times_ms: Ints
    statistics: Mapping[str, Floats]
    from_cells: int = 0


def roll_up(
    parts: PartList[Part],
    matchers: Sequence[Matcher],
    resolution_ms: int,
    start_ms: int,
    end_ms: int,
    caches: Caches,
    read_errors: ReadErrors | None,
) -> RolledUp:
    """Return the cells of (start, end], both of which are multiples of the resolution."""
    if resolution_ms <= 0 or start_ms % resolution_ms or end_ms % resolution_ms:
        raise ValueError("the range of a rollup begins and ends at multiples of its resolution")
    span = start_ms + 1, end_ms

    def cell_of(times: Ints) -> Ints:
        return -(-times // resolution_ms)

    def read(parts: Sequence[Part]) -> RolledUp:
        rollups = [_stored(part, parts, resolution_ms, read_errors) for part in parts]
        request = CellRequest(matchers, span, cell_of, STATISTICS)
        return _combined(PartCells(parts, rollups, request, caches, read_errors), resolution_ms)

    return read_undamaged(parts.overlapping(*span), read_errors, read)


def _stored(
    part: Part, parts: Sequence[Part], resolution_ms: int, read_errors: ReadErrors | None
) -> Rollup | None:
    """Return the rollup of a part at this resolution, if it may replace the samples. Of a
    downsampled part, which has no samples to compute cells from, return one of smaller cells."""
    rollups = offered(part, parts, read_errors)
    found = next((one for one in rollups if one.resolution_ms == resolution_ms), None)
    if found is not None or not (rollups and part.downsampled_ms):
        return found
    cells = [one for one in rollups if one.resolution_ms != WHOLE]
    return next((one for one in cells if resolution_ms % one.resolution_ms == 0), cells[-1])


def _combined(cells: PartCells, resolution_ms: int) -> RolledUp:
    """Read all cells, and combine those to which several parts contribute."""
    rows, ends, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)], []
    for first, end in cells.portions():
        found = cells.columns(first, end)
        if not len(found.last_ms):
            continue
        row = first + np.repeat(np.arange(end - first), np.diff(found.offsets))
        at = -(-found.last_ms // resolution_ms)
        begins = np.append(True, (row[1:] != row[:-1]) | (at[1:] != at[:-1]))
        own = tuple(found.statistics[name] for name in STATISTICS)
        columns.append(combined(np.cumsum(begins) - 1, own)[1])
        rows.append(row[begins])
        ends.append(at[begins] * resolution_ms)
    joined = [np.concatenate(some) for some in zip(*columns, strict=True)]
    statistics = dict(zip(STATISTICS, joined or [np.empty(0)] * len(STATISTICS), strict=True))
    present, row = np.unique(np.concatenate(rows), return_inverse=True)
    series = cells.series.take(present)
    return RolledUp(series, row, np.concatenate(ends), statistics, cells.from_rollups)
