"""Start timestamps come back, and cost next to nothing where they are constant."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.codec.starts import decode_starts, encode_starts

some = st.integers(-(2**62), 2**62) | st.integers(0, 2)
runs = st.lists(st.tuples(some, st.integers(1, 9)), min_size=1, max_size=20)


@given(runs)
def test_start_timestamps_come_back(found: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, length in found for _ in range(length)])
    assert decode_starts(encode_starts(starts, 4), len(starts)).tolist() == starts.tolist()


def test_constant_ones_cost_nothing() -> None:
    """1000 series of 20 targets, a restart in some of them."""
    starts = np.repeat(1_700_000_000_000 + np.arange(20) * 12_345, 50 * 64)
    starts[10_000:10_040] += 777_777
    assert len(encode_starts(starts, 4)) < 0.004 * len(starts)


@given(st.binary(max_size=60), st.integers(1, 50))
def test_other_bytes_are_refused(data: bytes, count: int) -> None:
    try:
        found = decode_starts(data, count)
    except Undecodable:
        return
    assert len(found) == count


def test_a_page_of_another_length_is_refused() -> None:
    data = encode_starts(np.array([5, 5, 5, 5, 7, 7, 7, 7]), 4)
    for count in (7, 9):
        with pytest.raises(Undecodable):
            decode_starts(data, count)
    with pytest.raises(Undecodable):
        decode_starts(data[:-1], 8)
