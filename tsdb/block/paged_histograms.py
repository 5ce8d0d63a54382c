"""A stream of native histograms in pages on disk."""

from __future__ import annotations

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.pages import Pages
from novaql.tsdb.codec.histogram_columns import decode_page
from novaql.tsdb.model.flat_arrays import flat_positions, is_identity
from novaql.tsdb.model.histograms import Histograms, concat_histograms
from novaql.tsdb.model.labels import Ints


@dataclass(frozen=True, slots=True, eq=False)
class PagedHistograms(Pages):
    """A `HistogramStream` over pages of a file.

    sets  the custom bounds that pages refer to by index
    """

    sets: tuple[tuple[float, ...], ...]

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        if len(starts) == 0:
            return Histograms.none()
        places = flat_positions(starts, lengths)
        page = self.first.searchsorted(places, side="right") - 1
        order = np.argsort(page, kind="stable")
        numbers, begins = np.unique(page[order], return_index=True)
        parts = [
            _rows_of(decoded, places[some] - int(self.first[number]), is_copied=len(numbers) > 1)
            for number, decoded, some in zip(
                numbers.tolist(),
                self._decoded(numbers.tolist()),
                np.split(order, begins[1:]),
                strict=True,
            )
        ]
        joined = concat_histograms(parts)
        if bool((order[1:] > order[:-1]).all()):
            return joined
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return joined.take(back)

    def _decode(self, data: bytes, count: int, *, passing: bool) -> Histograms:  # noqa: ARG002
        return decode_page(data, count, self.sets)


def _rows_of(page: Histograms, rows: Ints, *, is_copied: bool) -> Histograms:
    """Some histograms of a page; is_copied: the caller copies them, so that views are enough, which
    would otherwise retain the page."""
    first = int(rows[0])
    if is_copied and is_identity(rows - first, len(rows)):
        return page.between(first, first + len(rows))
    return page.take(rows)
