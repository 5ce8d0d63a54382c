"""The content of a block before it is written: the order of its series, and the bounds of its
pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.series_order import likeness, order_series
from novaql.tsdb.model.flat_arrays import sorted_union
from novaql.tsdb.model.labels import METRIC_NAME, Bools, Ints, SeriesTable
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.part import Layer
from novaql.tsdb.parts.sorted_run import SortedHistogramRun, SortedRun

PAGE_VALUES = 4096
"""Target number of values in a page of several short grids; a page has whole grids."""
OWN_PAGE_VALUES = 1024
"""A grid of at least this many values has separate pages."""
LONG_PAGE_VALUES = 32768
"""Largest number of values in a page; longer grids are divided."""
HISTOGRAM_PAGES = {"page": 512, "own": 256, "longest": 1024}
"""The same limits for histograms, each of which is many numbers."""

Kind = TypeVar("Kind", SortedRun, SortedHistogramRun)


@dataclass(frozen=True, slots=True, eq=False)
class Column(Generic[Kind]):
    """Floats or histograms of one block, in the order of the file.

    rows        [R] series of the block, increasing
    grid_of     [R] grid of each series, numbered in order of first use
    value_start [R] where its samples begin in `run.values`
    grid_start  [G] where its times begin in `run.times`
    grid_length [G] number of times
    """

    run: Kind
    rows: Ints
    grid_of: Ints
    value_start: Ints
    grid_start: Ints
    grid_length: Ints

    @property
    def lengths(self) -> Ints:
        return self.grid_length[self.grid_of]


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The content of one block.

    table    label sets of its series, in the order of the file
    follows  whether a series is the next larger bucket of the histogram of the series before it
    """

    table: SeriesTable
    floats: Column[SortedRun] | None
    native: Column[SortedHistogramRun] | None
    follows: Bools


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The range [low, high) of each grid of a layer, and the series that have samples in it."""

    layer: Layer
    low: Ints
    high: Ints
    picked: Ints

    @classmethod
    def of(cls, layer: Layer, start_ms: int, end_ms: int) -> _Part:
        run = layer.run
        low, high = run.window(np.arange(len(run.grid_length)), start_ms, end_ms)
        picked = np.flatnonzero((high > low)[whole(run.grid_of)])
        return cls(layer, low, high, picked)

    @property
    def ids(self) -> Ints:
        """Index row of each picked series, increasing."""
        return self.picked if self.layer.ids is None else self.layer.ids[self.picked]

    def likeness(self) -> Ints:
        """Likeness of each picked series; see `series_order.likeness`."""
        run = self.layer.run
        if not isinstance(run, SortedRun):
            return np.zeros(len(self.picked), np.int64)
        grids = run.grid_of[self.picked]
        starts = run.value_start[self.picked] + self.low[grids]
        return likeness(run, starts, self.high[grids] - self.low[grids])

    def column(self, run: Kind, place_of: Ints) -> Column[Kind]:
        """place_of: index in the block by index row."""
        places = place_of[self.ids]
        order = np.argsort(places)
        series = self.picked[order]
        grids = run.grid_of[series]
        _, first, dense = np.unique(grids, return_index=True, return_inverse=True)
        number = np.empty(len(first), np.int64)
        number[np.argsort(first)] = np.arange(len(first))
        used = grids[np.sort(first)]
        return Column(
            run=run,
            rows=places[order],
            grid_of=number[dense.ravel()],
            value_start=run.value_start[series] + self.low[grids],
            grid_start=run.grid_start[used] + self.low[used],
            grid_length=self.high[used] - self.low[used],
        )


def arrange(
    layers: Sequence[Layer],
    labels: Callable[[Ints], SeriesTable],
    start_ms: int = MIN_TIME_MS,
    end_ms: int = MAX_TIME_MS,
) -> Content | None:
    """Return the content of a block with the samples of a range; None if there are none. The layers
    are at most one of floats and one of histograms.

    labels: returns label sets of index rows, which increase.

    Series are ordered by metric, then grid, then `series_order`, so that the series of a metric are
    adjacent, and those of one target in the same pages.
    """
    parts = [_Part.of(layer, start_ms, end_ms) for layer in layers]
    parts = [part for part in parts if len(part.picked)]
    if not parts:
        return None
    ids = parts[0].ids if len(parts) == 1 else sorted_union(parts[0].ids, parts[1].ids)
    grids = np.full(len(ids), -1)
    base = 0
    for part in parts:  # a series of both kinds is ordered by its floats, which come first
        at = np.searchsorted(ids, part.ids)
        own = base + part.layer.run.grid_of[part.picked]
        grids[at] = np.where(grids[at] < 0, own, grids[at])
        base += len(part.layer.run.grid_length)
    table = labels(ids)
    alike = np.zeros(len(ids), np.int64)
    for part in parts:
        alike[np.searchsorted(ids, part.ids)] = part.likeness()
    ordered = order_series(table, grids, alike)
    order = ordered.order
    place_of = np.empty(int(ids[-1]) + 1, np.int64)
    place_of[ids[order]] = np.arange(len(ids))
    floats: Column[SortedRun] | None = None
    native: Column[SortedHistogramRun] | None = None
    for part in parts:
        run = part.layer.run
        if isinstance(run, SortedRun):
            floats = part.column(run, place_of)
        elif isinstance(run, SortedHistogramRun):
            native = part.column(run, place_of)
    return Content(table.take(order), floats, native, ordered.follows)


def page_counts(
    lengths: Ints,
    breaks: Ints,
    *,
    page: int = PAGE_VALUES,
    own: int = OWN_PAGE_VALUES,
    longest: int = LONG_PAGE_VALUES,
) -> Ints:
    """Return the number of values in each page of a stream of rows of these lengths.

    Short rows share pages of about `page` values; such a page ends at a break if there is one in
    its second half. Longer rows have separate pages.

    breaks: row numbers before which a page would best begin, increasing.
    """
    ends = np.cumsum(lengths)
    long_rows = np.flatnonzero(lengths >= own)
    counts: list[int] = []
    row = 0
    at = 0
    while row < len(lengths):
        length = int(lengths[row])
        if length >= own:
            pieces = -(-length // longest)
            counts += [length * (i + 1) // pieces - length * i // pieces for i in range(pieces)]
            row += 1
        else:
            after = int(np.searchsorted(ends, at + page, side="right"))
            earliest = int(np.searchsorted(ends, at + page // 2, side="right"))
            next_long = int(np.searchsorted(long_rows, row))
            if next_long < len(long_rows):
                after = min(after, int(long_rows[next_long]))
            place = int(np.searchsorted(breaks, after, side="right")) - 1
            if place >= 0 and breaks[place] > max(row, earliest):
                after = int(breaks[place])
            counts.append(int(ends[after - 1]) - at)
            row = after
        at = int(ends[row - 1])
    return np.array(counts, np.int64)


def read_together(table: SeriesTable, column: Column[Kind]) -> Ints:
    """Return the rows of a column at which metric or grid changes."""
    metric = table.column(METRIC_NAME).codes[column.rows]
    changes = (np.diff(column.grid_of) != 0) | (np.diff(metric) != 0)
    return np.flatnonzero(changes) + 1
