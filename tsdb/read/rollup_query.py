"""Series summed up cell by cell on demand: by what blocks have, and by their samples elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from novaql.tsdb.block.summarise import STATISTICS, Summing, combined, cut_cells
from novaql.tsdb.index.match import label_table, match_rows
from novaql.tsdb.model.labels import Ints, SeriesTable, concat_tables
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.part import Part, Rollup
from novaql.tsdb.read.planner import Caches, overlapping, select
from novaql.tsdb.read.rollup_samples import is_alone


@dataclass(frozen=True, slots=True, eq=False)
class RolledUp:
    """Statistics of the floats of some series, by series, then time; no cell without samples.

    rows        [C] row of `series` that a cell belongs to
    times_ms    [C] the right end of each cell, which is (end - resolution, end]
    statistics  [C] each: "min", "max", "sum", "first", "last", "count", "increase"
    from_cells  how many of them came out of blocks as they are, without reading samples
    """

    series: SeriesTable
    rows: Ints
    times_ms: Ints
    statistics: Mapping[str, Floats]
    from_cells: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    table: SeriesTable
    rows: Ints
    times: Ints
    columns: tuple[Floats, ...]


def roll_up(
    parts: Sequence[Part],
    matchers: Sequence[Matcher],
    resolution_ms: int,
    start_ms: int,
    end_ms: int,
    caches: Caches,
    read_errors: ReadErrors | None,
) -> RolledUp:
    """Cells of (start, end], both multiples of the resolution."""
    if resolution_ms <= 0 or start_ms % resolution_ms or end_ms % resolution_ms:
        raise ValueError("the range of a rollup begins and ends at multiples of its resolution")
    parts = overlapping(parts, start_ms + 1, end_ms)
    pieces: list[_Pieces] = []
    others: list[Part] = []
    for part in parts:
        try:
            rollup = _stored(part, resolution_ms) if is_alone(part, parts) else None
            found = rollup and _cells(part, rollup, matchers, start_ms + 1, end_ms)
        except DAMAGE:
            found = None
        if found:
            pieces.append(found)
        else:
            others.append(part)
    from_cells = sum(len(piece.rows) for piece in pieces)
    selection = select(others, matchers, start_ms + 1, end_ms, caches, read_errors)
    for view in selection.views():
        flat = view.ragged()
        cells = cut_cells(flat.timestamps, np.diff(flat.bounds), resolution_ms)
        summing = Summing(cells.size)
        summing.take(flat.values)
        columns = tuple(summing.done()[name] for name in STATISTICS)
        rows = np.repeat(flat.rows, cells.length)
        pieces.append(_Pieces(selection.series, rows, cells.last, columns))
    return _joined(pieces, resolution_ms, from_cells)


def _stored(part: Part, resolution_ms: int) -> Rollup | None:
    if len(part.layers()) != 1:
        return None
    return next((one for one in part.rollups() if one.resolution_ms == resolution_ms), None)


def _cells(
    part: Part, rollup: Rollup, matchers: Sequence[Matcher], start_ms: int, end_ms: int
) -> _Pieces:
    rows = match_rows(part.index(), matchers)
    at, series = part.layers()[0].locate(rows)
    directories = rollup.grids
    grids = directories.grid_of[series]
    low, high = directories.window(grids, start_ms, end_ms)
    lengths = high - low
    some = np.flatnonzero(lengths)
    begins = directories.value_start[series[some]] + low[some]
    times = directories.times.ints(directories.grid_start[grids[some]] + low[some], lengths[some])
    columns = tuple(rollup.statistics[n].floats(begins, lengths[some]) for n in STATISTICS)
    return _Pieces(
        label_table(part.index(), rows), np.repeat(at[some], lengths[some]), times, columns
    )


def _joined(pieces: Sequence[_Pieces], resolution_ms: int, from_cells: int) -> RolledUp:
    tables = list({id(piece.table): piece.table for piece in pieces}.values())
    if not tables:
        none = np.empty(0, np.int64)
        empty = {name: np.empty(0) for name in STATISTICS}
        return RolledUp(SeriesTable.unlabelled(0), none, none, empty)
    bases = np.cumsum([0, *(table.rows for table in tables)])
    base_of = {id(table): int(base) for table, base in zip(tables, bases[:-1], strict=True)}
    stacked = concat_tables(tables)
    _, first, number = np.unique(stacked.keys(), return_index=True, return_inverse=True)
    rows = np.concatenate([number.ravel()[base_of[id(p.table)] + p.rows] for p in pieces])
    times = np.concatenate([piece.times for piece in pieces])
    columns = [np.concatenate(some) for some in zip(*(p.columns for p in pieces), strict=True)]
    kept = np.flatnonzero(columns[STATISTICS.index("count")] > 0)
    order = kept[np.lexsort((times[kept], rows[kept]))]
    rows, times = rows[order], -(-times[order] // resolution_ms) * resolution_ms
    if len(rows) == 0:
        return RolledUp(stacked.take(first), rows, times, {n: np.empty(0) for n in STATISTICS})
    begins = np.append(True, (rows[1:] != rows[:-1]) | (times[1:] != times[:-1]))
    cell, found = combined(np.cumsum(begins) - 1, tuple(column[order] for column in columns))
    leaders = np.flatnonzero(begins)
    assert len(cell) == len(leaders)
    statistics = dict(zip(STATISTICS, found, strict=True))
    return RolledUp(stacked.take(first), rows[leaders], times[leaders], statistics, from_cells)
