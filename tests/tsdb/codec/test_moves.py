"""The compiled copy of pieces of a page equals that of NumPy, and stays inside of its arrays."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.codec.numba.decoder import PAGES, copy_pieces
from novaql.tsdb.parts.sorted_run import move_pieces
from novaql.tsdb.runtime.compiled import Mode

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="numba is an extra")


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    with PAGES.forced(Mode.ON):
        assert PAGES.ready() is not None
        yield


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=12))
def test_pieces_are_copied_as_numpy_does(pieces: list[tuple[int, int]]) -> None:
    page = np.arange(50.0)
    page[7] = np.nan
    starts, lengths = (np.array(column, np.int64) for column in zip(*pieces, strict=True))
    places = np.cumsum(lengths + 2) - lengths
    found, expected = (np.full(int(places[-1] + lengths[-1]) + 3, -1.0) for _ in range(2))

    copy_pieces(page, starts, lengths, places, found)
    move_pieces(expected, places, page, starts, lengths)

    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("start", "length", "place"),
    [(8, 3, 0), (0, 3, 8), (-1, 2, 0), (0, 2, -1), (4, -1, 4), (2**62, 2**62, 0)],
)
def test_a_piece_outside_is_an_error(start: int, length: int, place: int) -> None:
    """Directories of a damaged block may name any piece."""
    page, out = np.arange(10), np.zeros(10, np.int64)
    one = [np.array([number], np.int64) for number in (start, length, place)]
    with pytest.raises(IndexError):
        copy_pieces(page, one[0], one[1], one[2], out)
    assert not out.any()
