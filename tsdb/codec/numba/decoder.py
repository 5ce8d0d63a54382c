"""The compiled decoder of pages: the only module of this folder that the rest of the store imports.

Its functions may be called once `ready` has returned True. Before that, and for pages that they do
not decode, `codec.pages` decodes with NumPy and pcodec.
"""

from __future__ import annotations

import numpy as np

from novaql.tsdb.codec.decimal import POWERS
from novaql.tsdb.codec.numba.compiled import MARGIN, OTHER, PAGES
from novaql.tsdb.codec.numba.open_page import OpenPage, open_rows
from novaql.tsdb.codec.row_heads import scratch
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.buffer_pool import BUFFERS

__all__ = [
    "MARGIN",
    "PAGES",
    "CompiledHoles",
    "OpenPage",
    "copy_pieces",
    "decode_pages",
    "open_rows",
    "ready",
]

MOST_GROUPS = 1024
"""Groups of rows that a page may have to be decoded here."""
MOST_MARKERS = 4096
"""Staleness markers whose places `decode_pages` returns."""
NO_MARKERS = np.empty(0, np.int64)


def ready(values: int = 0) -> bool:
    """Whether the decoder is compiled and should be used. values: of a page that the caller will
    decode; where pages are decoded later, one by one, they are counted then."""
    return PAGES.ready(values) is not None


def decode_pages(
    data: bytes,
    pages: Ints,
    places: Ints,
    starts: Ints,
    lengths: Ints,
    out: Ints | Floats,
    *,
    times: bool,
) -> tuple[Bools, Ints | None]:
    """Write pieces of pages to `out`, in one call that does not hold the interpreter's lock.

    data    bytes that the pages are among, and `MARGIN` more
    pages   [P, 5] of each: where it begins and ends in `data`, its values, its first piece, and one
            past its last
    places  [Q] where in `out` each piece goes; `starts` where it begins in its page; `lengths`
    times   pages of timestamps, not of values

    Returns which pages were decoded [P] (the places of other pages in `out` have undefined
    contents) and where in `out` the staleness markers of the decoded ones are, or None if there are
    too many.
    """
    states = np.empty(len(pages), np.int64)
    pieces = np.frombuffer(data, np.uint8), pages, places, starts, lengths
    longest = int(pages[:, 2].max())
    if times:
        words = scratch("unfold", np.int64, 2 * longest)
        PAGES.call.unfold_times(*pieces, words, out.view(np.int64), states)
        return states != OTHER, NO_MARKERS
    words = scratch("unfold", np.int64, longest + MOST_GROUPS)
    markers = scratch("markers", np.int64, MOST_MARKERS + 1)
    markers[0] = 0
    PAGES.call.unfold(*pieces, POWERS, words, out.view(np.float64), states, markers)
    found = markers.item(0)
    return states != OTHER, markers[1 : 1 + found].copy() if found <= MOST_MARKERS else None


def copy_pieces(
    page: Ints | Floats, starts: Ints, lengths: Ints, places: Ints, out: Ints | Floats
) -> None:
    """Copy pieces of a decoded page to their places in `out`. Raises `IndexError`."""
    pieces = starts, lengths, places
    if not PAGES.call.copy_pieces(page.view(np.int64), *pieces, out.view(np.int64)):
        raise IndexError("a piece is outside of its page")


class CompiledHoles:
    """`PlainHoles` of `read.staleness`, compiled; values may be moved in their own memory."""

    def find(self, values: Floats) -> Ints:
        found: Ints = PAGES.call.find_markers(values.view(np.int64))
        return found

    def drop(self, values: Floats, at: Ints) -> Floats:
        return values[: PAGES.call.drop(values, at)]

    def drop_of_pieces(
        self, numbers: Ints, begins: Ints, lengths: Ints, holes: Ints, counts: Ints
    ) -> Ints:
        offsets = np.append(0, np.cumsum(counts))
        left = BUFFERS.ints(int(lengths.sum() - offsets[-1]))
        PAGES.call.drop_of_pieces(numbers, begins, lengths, holes, offsets, left)
        return left
