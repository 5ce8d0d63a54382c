"""Searches in ranges of flat arrays, against one search for each range."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novaql.tsdb.model.flat_arrays import FEW_RANGES, first_not_before, sorted_union

RANGE = st.lists(st.integers(0, 30), max_size=6, unique=True).map(sorted)


@given(st.lists(st.tuples(RANGE, st.integers(-2, 33)), min_size=1, max_size=2 * FEW_RANGES))
def test_the_first_time_not_before_a_bound(ranges: list[tuple[list[int], int]]) -> None:
    times = np.array([time for some, _ in ranges for time in some], np.int64)
    ends = np.cumsum([len(some) for some, _ in ranges])
    begins = ends - np.array([len(some) for some, _ in ranges])
    bounds = np.array([bound for _, bound in ranges])

    found = first_not_before(times, begins, ends, bounds)

    expected = [sum(time < bound for time in some) for some, bound in ranges]
    np.testing.assert_array_equal(found - begins, expected)


@given(RANGE, RANGE)
def test_the_union_of_increasing_numbers(first: list[int], second: list[int]) -> None:
    found = sorted_union(np.array(first, np.int64), np.array(second, np.int64))
    assert found.tolist() == sorted({*first, *second})
