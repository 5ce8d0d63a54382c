"""Columns reduced to the last sample of each cell."""

from __future__ import annotations

from dataclasses import replace
from itertools import starmap

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.contents import Column
from novaql.tsdb.block.encode_streams import PORTION_VALUES
from novaql.tsdb.block.summarise import Cells, cut_cells
from novaql.tsdb.model.flat_arrays import flat_positions, portions
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import SortedHistogramRun, SortedRun, Stream


def cells_of(column: Column[SortedRun] | Column[SortedHistogramRun], resolution_ms: int) -> Cells:
    """Return the cells of the column's grids, computed for some grids at a time."""
    lengths = column.grid_length
    found = []
    for grids in starmap(slice, portions(lengths, PORTION_VALUES)):
        times = column.run.times.ints(column.grid_start[grids], lengths[grids])
        found.append(cut_cells(times, lengths[grids], resolution_ms))
    length, size, first, last = (
        np.concatenate([getattr(cells, name) for cells in found])
        for name in ("length", "size", "first", "last")
    )
    return Cells(length, size, first, last)


@dataclass(frozen=True, slots=True, eq=False)
class Picked(Stream):
    """A stream of selected numbers of another stream.

    begins  where rows begin in this stream, increasing, and where the last one ends
    rows    [rows] where each row begins in `picks`
    bases   [rows] position in the other stream to add to the row's picks
    picks   distances from the beginning of a row in the other stream
    """

    stream: Stream
    begins: Ints
    rows: Ints
    bases: Ints
    picks: Ints

    def places(self, starts: Ints, lengths: Ints) -> Ints:
        """Return positions in the other stream."""
        row = np.searchsorted(self.begins, starts, side="right") - 1
        at = flat_positions(self.rows[row] + starts - self.begins[row], lengths)
        found: Ints = self.picks[at] + np.repeat(self.bases[row], lengths)
        return found

    def read(self, starts: Ints, lengths: Ints) -> Ints | Floats:
        places = self.places(starts, lengths)
        return self.stream.read(places, np.ones(len(places), np.int64))

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        """For a stream of histograms."""
        places = self.places(starts, lengths)
        found: Histograms = self.stream.histograms(places, np.ones(len(places), np.int64))  # type: ignore[attr-defined]
        return found


def downsampled(column: Column, cells: Cells) -> Column:  # type: ignore[type-arg]
    """Return the column with only the last sample of each cell. It is read in the order of the
    file."""
    run, grid_of = column.run, column.grid_of
    ends = np.cumsum(cells.size) - 1
    of_grid = np.cumsum(cells.length) - cells.length
    begins = np.cumsum(column.grid_length) - column.grid_length
    picks = ends - np.repeat(begins, cells.length)
    lengths = cells.length[grid_of]
    value_start = np.cumsum(lengths) - lengths
    edges = np.append(value_start, int(lengths.sum()))
    values = Picked(run.values, edges, of_grid[grid_of], column.value_start, picks)
    starts = None
    if run.starts is not None:
        starts = Picked(run.starts, edges, of_grid[grid_of], column.value_start, picks)
    times = Picked(run.times, np.append(of_grid, len(picks)), of_grid, column.grid_start, picks)
    return replace(
        column,
        run=replace(run, times=times, values=values, starts=starts),
        value_start=value_start,
        grid_start=of_grid,
        grid_length=cells.length,
    )
