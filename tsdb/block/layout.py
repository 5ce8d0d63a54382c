"""Which series stand where in a block, and where its pages are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsdb.index.match import LabelIndex, label_table
from tsdb.labels import METRIC_NAME, Ints, SeriesTable
from tsdb.stratum import Stratum

PAGE_VALUES = 4096
"""A page of short series is filled up to this, whole series only."""
OWN_PAGE_VALUES = 1024
"""A series this long has a page of its own: mixed with others it compresses up to 20 % worse."""
LONG_PAGE_VALUES = 32768
"""A longer one is cut into several."""


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What goes into one block, in the order of the file.

    table        label sets of its series
    grid_of      [R] grid of each, 0, 1, … in order of first use
    value_start  [R] where its values begin in `stratum.values`
    grid_start   [G] where its times begin in `stratum.times`
    grid_length  [G]
    """

    stratum: Stratum
    table: SeriesTable
    grid_of: Ints
    value_start: Ints
    grid_start: Ints
    grid_length: Ints

    @property
    def lengths(self) -> Ints:
        return self.grid_length[self.grid_of]


def arrange(
    stratum: Stratum, ids: Ints, index: LabelIndex, low: Ints, high: Ints
) -> Content | None:
    """The part [low, high) of each grid of a stratum whose series have these rows in the index.

    Series are ordered by metric, then grid, then label set: a query that names a metric finds its
    series side by side, those of one target in the same pages. None if nothing is there.
    """
    picked = np.flatnonzero(high[stratum.grid_of] > low[stratum.grid_of])
    if len(picked) == 0:
        return None
    table = label_table(index, ids[picked])
    grids = stratum.grid_of[picked]
    rank = np.empty(len(picked), np.int64)
    rank[table.order()] = np.arange(len(picked))
    metric = table.column(METRIC_NAME).compacted().codes
    order = np.lexsort((rank, grids, metric))
    _, first, dense = np.unique(grids[order], return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    used = grids[order][np.sort(first)]
    return Content(
        stratum=stratum,
        table=table.take(order),
        grid_of=number[dense.ravel()],
        value_start=(stratum.value_start[picked] + low[grids])[order],
        grid_start=stratum.grid_start[used] + low[used],
        grid_length=high[used] - low[used],
    )


def page_counts(lengths: Ints, breaks: Ints) -> Ints:
    """How many values go into each page of a stream of rows of these lengths.

    Short rows share pages, `PAGE_VALUES` or a little less; such a page ends where a run of rows
    that are read together ends, if such a place is in its second half. Longer rows have pages of
    their own.

    breaks: numbers of rows before which a page would best begin, increasing.
    """
    ends = np.cumsum(lengths)
    long_rows = np.flatnonzero(lengths >= OWN_PAGE_VALUES)
    counts: list[int] = []
    row = 0
    at = 0
    while row < len(lengths):
        length = int(lengths[row])
        if length >= OWN_PAGE_VALUES:
            pieces = -(-length // LONG_PAGE_VALUES)
            counts += [length * (i + 1) // pieces - length * i // pieces for i in range(pieces)]
            row += 1
        else:
            after = int(np.searchsorted(ends, at + PAGE_VALUES, side="right"))
            earliest = int(np.searchsorted(ends, at + PAGE_VALUES // 2, side="right"))
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


def read_together(content: Content) -> Ints:
    """Rows at which metric or grid changes."""
    metric = content.table.column(METRIC_NAME).codes
    changes = (np.diff(content.grid_of) != 0) | (np.diff(metric) != 0)
    return np.flatnonzero(changes) + 1
