"""Ranges of a stream of native histograms in pages are those of the same stream in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novaql.tsdb.block.paged_histograms import PagedHistograms
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.parts.sorted_run import ArrayHistograms
from tests.support.store.stored_histograms import Native, histograms_of, natives, natives_of, simple

ROWS = 24
RANGES = st.lists(st.tuples(st.integers(0, ROWS), st.integers(0, ROWS)), max_size=12)


class DecodedPages(PagedHistograms):
    """Pages that need no file."""

    pages: list[Histograms]

    def _decoded(self, numbers: list[int]) -> list[Any]:
        return [self.pages[number] for number in numbers]


def paged(whole: Histograms, first: list[int]) -> DecodedPages:
    """The histograms in pages that begin at these rows."""
    nothing: Any = None
    bounds = np.array([*first, len(whole)])
    stream = DecodedPages(
        nothing, nothing, b"", b"", bounds, nothing, nothing, nothing, coded=True, sets=()
    )
    edges = zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    stream.pages = [whole.between(begin, end) for begin, end in edges]
    return stream


@given(
    st.lists(natives, min_size=ROWS, max_size=ROWS),
    st.sets(st.integers(1, ROWS - 1)).map(lambda cuts: [0, *sorted(cuts)]),
    RANGES | RANGES.map(sorted),
)
def test_ranges_of_pages(
    drawn: list[Native], first: list[int], ranges: list[tuple[int, int]]
) -> None:
    whole = histograms_of(drawn)
    starts = np.array([begin for begin, _ in ranges], np.int64)
    lengths = np.array([min(count, ROWS - begin) for begin, count in ranges], np.int64)
    found = paged(whole, first).histograms(starts, lengths)
    assert natives_of(found) == natives_of(ArrayHistograms(whole).histograms(starts, lengths))


def test_single_rows_of_a_page_are_its_rows() -> None:
    """So many that they are not copied one by one."""
    whole = histograms_of([simple(k, b0=k + 1.0, b2=2.0) for k in range(40)])
    starts = np.arange(38, -1, -2)
    found = paged(whole, [0, 33]).histograms(starts, np.ones(len(starts), np.int64))
    assert natives_of(found) == natives_of(whole.take(starts))
