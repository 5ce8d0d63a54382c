"""The bounds of pages of values: a page has series that are similar and read together."""

from __future__ import annotations

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import sorted_union
from novaql.tsdb.model.labels import Bools, Ints

TARGET_VALUES = 32768
"""Approximate values in a page: enough to share statistics, few enough to decode for one series."""
MAX_FAMILY_VALUES = 81920
"""The buckets of one histogram share a page up to this number of values."""


@dataclass(frozen=True, slots=True, eq=False)
class PageRows:
    """Pages of values, and the rows that they consist of.

    counts      [P] values in each page
    lengths     [Q] values of each row or, if a series is longer than a page, of its pieces
    first_piece [P + 1] index of the first piece of each page
    piece_row   [Q] the row of each piece
    """

    counts: Ints
    lengths: Ints
    first_piece: Ints
    piece_row: Ints

    def of_page(self, page: int) -> Ints:
        """Return the lengths of the rows of a page."""
        return self.lengths[self.first_piece[page] : self.first_piece[page + 1]]

    def series_of_page(self, page: int) -> Ints:
        """Return the series of the rows of a page."""
        return self.piece_row[self.first_piece[page] : self.first_piece[page + 1]]


def rows_of_pages(counts: Ints, lengths: Ints) -> PageRows:
    """Return the rows of pages with these numbers of values."""
    return _pieces(np.cumsum(counts), np.cumsum(lengths), lengths)


def cut_pages(lengths: Ints, follows: Bools, breaks: Ints) -> PageRows:
    """Return pages for rows of these lengths.

    follows  [R] whether a row should be in the page of the row before it
    breaks   rows at which another metric or grid begins, increasing

    A page has whole runs between breaks as long as they fit. A run that is longer than a page is
    divided into pages of similar size.
    """
    unit_first = np.flatnonzero(~_families_in_one_page(lengths, follows))
    ends = np.cumsum(lengths)
    unit_ends = ends[np.append(unit_first[1:], len(lengths)) - 1] if len(lengths) else ends
    run_ends = np.append(ends[breaks - 1], ends[-1:])
    cuts: list[int] = []  # positions in the stream at which pages end
    at, total = 0, int(ends[-1]) if len(ends) else 0
    while at < total:
        end = _page_end(at, unit_ends, run_ends)
        row_end = int(ends[np.searchsorted(ends, at, side="right")])
        if end - at > TARGET_VALUES and row_end >= end:
            pieces = -(-(end - at) // TARGET_VALUES)
            cuts += [at + (end - at) * piece // pieces for piece in range(1, pieces)]
        cuts.append(end)
        at = end
    return _pieces(np.array(cuts, np.int64), ends, lengths)


def _families_in_one_page(lengths: Ints, follows: Bools) -> Bools:
    """Return `follows`, without families that are too large for a page."""
    first = np.flatnonzero(~follows | (np.arange(len(follows)) == 0))
    if len(first) == 0:
        return follows
    sizes = np.add.reduceat(lengths, first)
    family = np.cumsum(np.isin(np.arange(len(follows)), first)) - 1
    together: Bools = follows & (sizes[family] <= MAX_FAMILY_VALUES)
    together[:1] = False
    return together


def _page_end(at: int, unit_ends: Ints, run_ends: Ints) -> int:
    run_end = int(run_ends[np.searchsorted(run_ends, at, side="right")])
    target = TARGET_VALUES
    if run_end - at > TARGET_VALUES:  # this run needs several pages of similar size
        target = -(-(run_end - at) // -(-(run_end - at) // TARGET_VALUES))
        unit = int(np.searchsorted(unit_ends, at + target))
        end = int(unit_ends[min(unit, len(unit_ends) - 1)])
        before = int(unit_ends[unit - 1]) if unit else 0
        return before if before > at and end - at > TARGET_VALUES else min(end, run_end)
    last = int(np.searchsorted(run_ends, at + TARGET_VALUES, side="right")) - 1
    return int(run_ends[last])


def _pieces(cuts: Ints, ends: Ints, lengths: Ints) -> PageRows:
    """Return the rows divided at these positions of the stream."""
    all_ends = sorted_union(cuts, ends)
    begins = np.append(0, all_ends[:-1]).astype(np.int64)
    return PageRows(
        counts=np.diff(cuts, prepend=0),
        lengths=np.diff(all_ends, prepend=0),
        first_piece=np.append(0, np.searchsorted(all_ends, cuts) + 1).astype(np.int64),
        piece_row=np.searchsorted(ends, begins, side="right") if len(lengths) else begins,
    )
