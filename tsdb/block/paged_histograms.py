"""A stream of native histograms in pages on disk."""

from __future__ import annotations

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.pages import Pages
from novaql.tsdb.codec.histogram_columns import decode_page
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.histograms import Histograms, concat_histograms, concat_ranges
from novaql.tsdb.model.labels import Ints

FEW_PIECES = 8
"""Pieces of each page, on average, up to which they are copied one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class PagedHistograms(Pages):
    """A `HistogramStream` over pages of a file.

    sets  the custom bounds that pages refer to by index
    """

    sets: tuple[tuple[float, ...], ...]

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        """See `HistogramStream.histograms`."""
        pieces = self._pieces(starts, lengths)
        if not pieces:
            return Histograms.none()
        numbers = sorted({page for page, _, _ in pieces})
        pages = dict(zip(numbers, self._decoded(numbers), strict=True))
        if len(pieces) <= FEW_PIECES * len(pages):
            return concat_ranges([(pages[page], first, last) for page, first, last in pieces])
        return self._taken(pages, flat_positions(starts, lengths))

    def _pieces(self, starts: Ints, lengths: Ints) -> list[tuple[int, int, int]]:
        """Return the parts of pages that these ranges consist of, in order: the number of a page,
        the first row in it, and one past the last."""
        there = lengths > 0
        starts, ends = starts[there], (starts + lengths)[there]
        apart = np.append(True, ends[:-1] != starts[1:])[: len(starts)]
        starts, ends = starts[apart], ends[np.append(apart[1:], True)[: len(apart)]]
        first_page = self.first.searchsorted(starts, side="right") - 1
        last_page = self.first.searchsorted(ends, side="left") - 1
        counts = last_page - first_page + 1
        pages = flat_positions(first_page, counts)
        begins = np.maximum(self.first[pages], np.repeat(starts, counts)) - self.first[pages]
        stops = np.minimum(self.first[pages + 1], np.repeat(ends, counts)) - self.first[pages]
        return list(zip(pages.tolist(), begins.tolist(), stops.tolist(), strict=True))

    def _taken(self, pages: dict[int, Histograms], places: Ints) -> Histograms:
        """Return single histograms, by position in the stream."""
        page = self.first.searchsorted(places, side="right") - 1
        order = np.argsort(page, kind="stable")
        numbers, begins = np.unique(page[order], return_index=True)
        parts = [
            pages[number].take(places[some] - int(self.first[number]))
            for number, some in zip(numbers.tolist(), np.split(order, begins[1:]), strict=True)
        ]
        joined = concat_histograms(parts)
        if bool((order[1:] > order[:-1]).all()):
            return joined
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return joined.take(back)

    def _decode(self, data: bytes, count: int, *, passing: bool) -> Histograms:  # noqa: ARG002
        return decode_page(data, count, self.sets)
