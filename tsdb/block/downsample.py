"""Columns of which the last sample of each cell is left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from novaql.tsdb.block.contents import Column
from novaql.tsdb.block.encode_streams import PORTION_VALUES
from novaql.tsdb.block.summarise import Cells, cut_cells
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import (
    CopyPlan,
    SortedHistogramRun,
    SortedRun,
    Stream,
    in_one_part,
)


def cells_of(column: Column[SortedRun] | Column[SortedHistogramRun], resolution_ms: int) -> Cells:
    """Those of its grids, some grids at a time."""
    lengths = column.grid_length
    portions = np.flatnonzero(np.diff(np.cumsum(lengths) // PORTION_VALUES)) + 1
    found = []
    for grids in np.split(np.arange(len(lengths)), portions):
        times = column.stratum.times.ints(column.grid_start[grids], lengths[grids])
        found.append(cut_cells(times, lengths[grids], resolution_ms))
    length, size, first, last = (
        np.concatenate([getattr(cells, name) for cells in found])
        for name in ("length", "size", "first", "last")
    )
    return Cells(length, size, first, last)


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """`Stream` of some of the numbers of another stream.

    begins  where rows begin here, increasing, and one more: where the last one ends
    rows    [rows] where each begins among `picks`
    bases   [rows] to be added to its picks: a place in the stream
    picks   distances from the beginning of a row there
    """

    stream: Stream
    begins: Ints
    rows: Ints
    bases: Ints
    picks: Ints

    def places(self, starts: Ints, lengths: Ints) -> Ints:
        """In the stream below."""
        row = np.searchsorted(self.begins, starts, side="right") - 1
        at = flat_positions(self.rows[row] + starts - self.begins[row], lengths)
        found: Ints = self.picks[at] + np.repeat(self.bases[row], lengths)
        return found

    def ints(self, starts: Ints, lengths: Ints) -> Ints:
        places = self.places(starts, lengths)
        return self.stream.ints(places, np.ones(len(places), np.int64))

    def floats(self, starts: Ints, lengths: Ints) -> Floats:
        places = self.places(starts, lengths)
        return self.stream.floats(places, np.ones(len(places), np.int64))

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        """Where the stream is one of histograms."""
        places = self.places(starts, lengths)
        found: Histograms = self.stream.histograms(places, np.ones(len(places), np.int64))  # type: ignore[attr-defined]
        return found

    def fill(self, out: Floats, starts: Ints) -> None:
        out[:] = self.floats(starts, np.full(len(out), out.shape[1])).reshape(out.shape)

    def plan_copy(
        self,
        out: Ints | Floats,
        places: Ints,
        starts: Ints,
        lengths: Ints,
        *,
        keep: bool = True,  # noqa: ARG002
        notes: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> CopyPlan:
        return in_one_part(self, out, places, starts, lengths)

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:
        return self.stream.readable_mask(
            self.places(places, np.ones(len(places), np.int64)), read_errors
        )


def thinned(column: Column, cells: Cells) -> Column:  # type: ignore[type-arg]
    """The column with the last sample of each cell alone. It is read in the order of the file."""
    stratum, grid_of = column.stratum, column.grid_of
    ends = np.cumsum(cells.size) - 1
    of_grid = np.cumsum(cells.length) - cells.length
    begins = np.cumsum(column.grid_length) - column.grid_length
    picks = ends - np.repeat(begins, cells.length)
    lengths = cells.length[grid_of]
    value_start = np.cumsum(lengths) - lengths
    edges = np.append(value_start, int(lengths.sum()))
    values = Picked(stratum.values, edges, of_grid[grid_of], column.value_start, picks)
    starts = None
    if stratum.starts is not None:
        starts = Picked(stratum.starts, edges, of_grid[grid_of], column.value_start, picks)
    times = Picked(stratum.times, np.append(of_grid, len(picks)), of_grid, column.grid_start, picks)
    return replace(
        column,
        stratum=replace(stratum, times=times, values=values, starts=starts),
        value_start=value_start,
        grid_start=of_grid,
        grid_length=cells.length,
    )
