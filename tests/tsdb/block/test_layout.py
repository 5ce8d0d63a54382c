"""Pages and widths of blocks."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.block.contents import LONG_PAGE_VALUES, OWN_PAGE_VALUES, PAGE_VALUES, page_counts
from novaql.tsdb.compaction.flush import BLOCK_MS, block_width
from novaql.tsdb.head.float_run import build_run

lengths = st.lists(
    st.integers(1, 300) | st.integers(1, 3 * PAGE_VALUES) | st.just(LONG_PAGE_VALUES * 2 + 1),
    min_size=1,
    max_size=60,
)


@given(lengths, st.sets(st.integers(1, 59)))
def test_pages_hold_whole_rows(row_lengths: list[int], breaks: set[int]) -> None:
    rows = np.array(row_lengths)
    places = np.array(sorted(b for b in breaks if b < len(rows)), np.int64)
    counts = page_counts(rows, places)
    assert counts.sum() == rows.sum()
    assert (counts > 0).all()
    assert (counts <= LONG_PAGE_VALUES).all()
    begins = {0, *np.cumsum(counts).tolist()}
    ends = np.cumsum(rows)
    for length, end in zip(rows.tolist(), ends.tolist(), strict=True):
        if length >= OWN_PAGE_VALUES:  # alone in its pages
            assert {end - length, end} <= begins
        else:  # not cut
            assert not any(end - length < place < end for place in begins)


def test_a_page_ends_where_a_target_ends() -> None:
    rows = np.full(30, 300)  # 13 rows fill a page, but a target has 10
    assert page_counts(rows, np.array([10, 20])).tolist() == [3000, 3000, 3000]


@pytest.mark.parametrize(
    ("hours", "blocks_of"), [(0.1, 2), (2, 2), (4, 2), (6, 6), (24, 18), (96, 54)]
)
def test_history_gets_wide_blocks(hours: float, blocks_of: int) -> None:
    times = np.linspace(0, hours * 3_600_000, 200).astype(np.int64)
    series = np.repeat(np.arange(4), len(times))
    run = build_run(series, np.tile(times, 4), np.zeros(4 * len(times)))
    # Four series with a common start and end: 98 % of them span all the time there is.
    assert block_width([run.sorted], BLOCK_MS) == blocks_of * 3_600_000


def test_stray_samples_do_not_widen_blocks() -> None:
    times = np.arange(0, 7_200_000, 60_000)
    series = np.repeat(np.arange(100), len(times))
    ids = np.append(series, 100)
    run = build_run(ids, np.append(np.tile(times, 100), -30 * 86_400_000), np.zeros(len(ids)))
    assert block_width([run.sorted], BLOCK_MS) == BLOCK_MS
