"""Reads long streams in pages, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Ints

PORTION_VALUES = 1 << 20
"""Number of values in memory at a time."""


def gathered(
    read: Callable[[Ints, Ints], NDArray[np.generic]], counts: Ints, starts: Ints, lengths: Ints
) -> Iterator[NDArray[np.generic]]:
    """Return pages with these numbers of values, of a stream whose rows are ranges that `read`
    reads."""
    row_ends, page_ends = np.cumsum(lengths), np.cumsum(counts)
    page, at = 0, 0
    while page < len(counts):
        last = int(np.searchsorted(page_ends, at + PORTION_VALUES, side="right"))
        last = max(last, page + 1)
        end = int(page_ends[last - 1])
        portion = read(*_cut_pieces(starts, lengths, row_ends, at, end))
        bounds = page_ends[page:last] - at
        yield from np.split(portion, bounds[:-1])
        page, at = last, end


def _cut_pieces(
    starts: Ints, lengths: Ints, row_ends: Ints, begin: int, end: int
) -> tuple[Ints, Ints]:
    """Return the ranges of the stream positions [begin, end); they may begin or end inside a
    row."""
    first = int(np.searchsorted(row_ends, begin, side="right"))
    last = int(np.searchsorted(row_ends, end, side="left")) + 1
    some_starts, some_lengths = starts[first:last].copy(), lengths[first:last].copy()
    skipped = begin - int(row_ends[first] - lengths[first])
    some_starts[0] += skipped
    some_lengths[0] -= skipped
    some_lengths[-1] -= int(row_ends[last - 1]) - end
    return some_starts, some_lengths
