"""Directories in pieces are the arrays that they stand for, no wider than their numbers need."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.parts.lazy_ints import Pieces, running, whole

numbers_below = st.sampled_from([1, 2, 256, 257, 65_536, 65_537, 2**32, 2**32 + 1, 2**40]).flatmap(
    lambda below: st.tuples(st.just(below), st.lists(st.integers(0, below - 1), min_size=1))
)


@given(numbers_below, st.integers(1, 5), st.booleans(), st.data())
def test_pieces_are_their_array(
    wanted: tuple[int, list[int]], each: int, told: bool, data: st.DataObject
) -> None:
    below, listed = wanted
    array = np.array(listed, np.int64)

    def make(piece: int) -> np.ndarray:
        return array[piece * each : (piece + 1) * each]

    pieces = Pieces(len(array), each, make, below if told else None)
    place = st.integers(0, len(array) - 1)
    some = np.array(data.draw(st.lists(place)), np.int64)
    inside = np.array(data.draw(st.lists(st.booleans(), min_size=len(array), max_size=len(array))))
    begin = data.draw(place)
    for places in (some, inside, slice(begin, begin + 3)):
        assert pieces[places].tolist() == array[places].tolist()
        assert pieces[places].dtype == np.int64
    assert whole(pieces).tolist() == listed


@pytest.mark.parametrize(
    ("below", "bytes_each"),
    [(None, 8), (1, 1), (256, 1), (257, 2), (2**16, 2), (2**16 + 1, 4), (2**32, 4), (2**32 + 1, 8)],
)
def test_no_more_memory_is_taken_than_the_largest_number_needs(
    below: int | None, bytes_each: int
) -> None:
    pieces = Pieces(10, 4, np.zeros, below)
    assert pieces.stored(slice(0, 0)).itemsize == bytes_each


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(1, 4), st.booleans())
def test_running_begins(lengths: list[int], each: int, told: bool) -> None:
    sizes = np.array(lengths, np.int64)
    begins = np.cumsum(sizes) - sizes
    directory = Pieces(len(sizes), each, lambda n: sizes[n * each : (n + 1) * each])
    bases = tuple(begins[::each].tolist())
    total = int(sizes.sum()) if told else None
    found = running(directory, directory.__getitem__, bases, total)
    assert whole(found).tolist() == begins.tolist()
