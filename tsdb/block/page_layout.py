"""Where the pages of values are cut, so that a page holds what is alike and is read together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints

ROOM = 32768
"""Values in a page, about: enough to share statistics, little enough to decode for one series."""
FAMILY_ROOM = 81920
"""The buckets of one histogram stay in one page up to this."""


@dataclass(frozen=True, slots=True, eq=False)
class PageRows:
    """Pages of values, and the rows that they consist of.

    counts      [P] values in each page
    lengths     [Q] values of each row or, where a series is longer than a page, of its pieces
    first_piece [P + 1] which of the pieces each page begins with
    piece_row   [Q] the row that a piece belongs to
    """

    counts: Ints
    lengths: Ints
    first_piece: Ints
    piece_row: Ints

    def of_page(self, page: int) -> Ints:
        """Lengths of the rows of a page."""
        return self.lengths[self.first_piece[page] : self.first_piece[page + 1]]

    def series_of_page(self, page: int) -> Ints:
        """Which rows they are, or are pieces of."""
        return self.piece_row[self.first_piece[page] : self.first_piece[page + 1]]


def rows_of_pages(counts: Ints, lengths: Ints) -> PageRows:
    """The rows that pages of so many values consist of."""
    return _pieces(np.cumsum(counts), np.cumsum(lengths), lengths)


def cut_pages(lengths: Ints, follows: Bools, breaks: Ints) -> PageRows:
    """Pages for rows of these lengths.

    follows  [R] whether a row should be in the page of the row before it
    breaks   rows at which another metric or grid begins, increasing

    A page holds whole runs between breaks as long as there is room. A run with more values is cut
    into pages of like size.
    """
    unit_first = np.flatnonzero(~_kept_together(lengths, follows))
    ends = np.cumsum(lengths)
    unit_ends = ends[np.append(unit_first[1:], len(lengths)) - 1] if len(lengths) else ends
    run_ends = np.append(ends[breaks - 1], ends[-1:])
    cuts: list[int] = []  # positions in the stream at which pages end
    at, total = 0, int(ends[-1]) if len(ends) else 0
    while at < total:
        end = _page_end(at, unit_ends, run_ends)
        if end - at > ROOM and _is_one_row(at, end, ends):
            pieces = -(-(end - at) // ROOM)
            cuts += [at + (end - at) * piece // pieces for piece in range(1, pieces)]
        cuts.append(end)
        at = end
    return _pieces(np.array(cuts, np.int64), ends, lengths)


def _kept_together(lengths: Ints, follows: Bools) -> Bools:
    """`follows`, but where families have grown too large for a page."""
    first = np.flatnonzero(~follows | (np.arange(len(follows)) == 0))
    if len(first) == 0:
        return follows
    sizes = np.add.reduceat(lengths, first)
    family = np.cumsum(np.isin(np.arange(len(follows)), first)) - 1
    together: Bools = follows & (sizes[family] <= FAMILY_ROOM)
    together[:1] = False
    return together


def _page_end(at: int, unit_ends: Ints, run_ends: Ints) -> int:
    run_end = int(run_ends[np.searchsorted(run_ends, at, side="right")])
    room = ROOM
    if run_end - at > ROOM:  # this run is cut, and into pages of like size
        room = -(-(run_end - at) // -(-(run_end - at) // ROOM))
        unit = int(np.searchsorted(unit_ends, at + room))
        end = int(unit_ends[min(unit, len(unit_ends) - 1)])
        before = int(unit_ends[unit - 1]) if unit else 0
        return before if before > at and end - at > ROOM else min(end, run_end)
    last = int(np.searchsorted(run_ends, at + ROOM, side="right")) - 1
    return int(run_ends[last])


def _is_one_row(begin: int, end: int, ends: Ints) -> bool:
    return int(ends[np.searchsorted(ends, begin, side="right")]) >= end


def _pieces(cuts: Ints, ends: Ints, lengths: Ints) -> PageRows:
    """Rows cut at these positions of the stream."""
    all_ends = np.union1d(cuts, ends)
    begins = np.append(0, all_ends[:-1]).astype(np.int64)
    return PageRows(
        counts=np.diff(cuts, prepend=0),
        lengths=np.diff(all_ends, prepend=0),
        first_piece=np.append(0, np.searchsorted(all_ends, cuts) + 1).astype(np.int64),
        piece_row=np.searchsorted(ends, begins, side="right") if len(lengths) else begins,
    )
