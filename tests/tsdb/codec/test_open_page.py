"""Opened pages: whichever pieces are asked for, compiled code gives the bits that NumPy gives."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.codec.numba.compiled import PAGES
from novaql.tsdb.codec.pages import decode_values, encode_values, open_values
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE, Floats
from novaql.tsdb.runtime.compiled import Mode
from tests.tsdb.codec.test_pages import bits, counters, rows, same_length

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="numba is an extra")


@pytest.fixture(autouse=True, scope="module")
def compiled_code() -> Iterator[None]:
    with PAGES.forced(Mode.ON):
        yield


def placed(page: bytes, count: int, starts: Ints, lengths: Ints) -> tuple[Floats, bool]:
    opened = open_values(page, count)
    assert opened is not None
    out = np.full(int(lengths.sum()) + 2, 0.5)
    unknown = opened.place(out, 1 + np.cumsum(lengths) - lengths, starts, lengths)
    assert out[0] == out[-1] == 0.5
    return out[1:-1], unknown


def check(page: bytes, values: Floats, starts: Ints, lengths: Ints) -> None:
    found, unknown = placed(page, len(values), starts, lengths)
    wanted = np.concatenate([values[a : a + n] for a, n in zip(starts, lengths, strict=True)])
    assert bits(found) == bits(wanted)
    assert unknown == bool(np.isnan(wanted).any())


@given(st.lists(rows, min_size=1, max_size=12), st.data())
def test_any_pieces_of_any_page(found: list[list[float]], data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        found = same_length(found)
    linked = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found))), np.bool_
    )
    values = np.array([value for row in found for value in row])
    page = encode_values(values, np.array([len(row) for row in found]), linked, level=4)
    if page[0] == 0:  # plain: there is nothing to open
        assert open_values(page, len(values)) is None
        return
    bounds = st.tuples(st.integers(0, len(values)), st.integers(0, len(values)))
    pieces = data.draw(st.lists(bounds, min_size=1, max_size=6))
    starts, ends = np.sort(np.array(pieces), axis=1).T.copy()

    check(page, values, np.zeros(1, np.int64), np.array([len(values)]))
    check(page, values, starts, ends - starts)


@pytest.mark.parametrize("divisor", [1.0, 100.0])
def test_windows_of_buckets_that_stand_on_one_another(divisor: float) -> None:
    buckets = np.cumsum(counters([30.0] * 7 + [0.2] * 7, 300), axis=0) / divisor
    buckets[3, 40], buckets[9, 200] = STALE, -0.0
    values = buckets.ravel()
    page = encode_values(values, np.full(14, 300), np.arange(14) % 7 > 0, level=8)
    every = np.arange(14) * 300

    for order in (every, every[::-1].copy(), every[[2, 2, 12, 5, 6, 0]]):
        check(page, values, order + 180, np.full(len(order), 30))
    check(page, values, every + np.arange(14) * 9, np.arange(14) * 3 + 20)


def long_rows(lengths: list[int], seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    scales = rng.choice([0.01, 1.0, 100.0, 1e5], len(lengths))
    rows = [np.cumsum(rng.poisson(s, n)) for s, n in zip(scales, lengths, strict=True)]
    values: Floats = np.concatenate(rows) / rng.choice([1.0, 100.0])
    values[rng.random(len(values)) < 0.001] = STALE
    return values


@given(st.lists(st.integers(1, 6000), min_size=1, max_size=9), st.data())
def test_rows_that_are_written_by_age(found: list[int], data: st.DataObject) -> None:
    values, lengths = long_rows(found, data.draw(st.integers(0, 99))), np.array(found)
    page = encode_values(values, lengths, np.zeros(len(found), np.bool_), level=8)

    assert bits(decode_values(page, len(values))) == bits(values)
    starts = np.cumsum(lengths) - lengths
    begins = starts + [data.draw(st.integers(0, length - 1)) for length in found]
    ends = [data.draw(st.integers(a, b)) for a, b in zip(begins, starts + lengths, strict=True)]
    check(page, values, begins, ends - begins)


def test_the_newest_samples_of_long_rows_are_decoded_first() -> None:
    lengths = np.array([1440, 1438, 1440, 1100])
    values = long_rows(lengths.tolist(), 7)
    page = encode_values(values, lengths, np.zeros(4, np.bool_), level=8)
    opened = open_values(page, len(values), passing=True)
    assert opened is not None

    ends = np.cumsum(lengths)
    opened.place(np.zeros(80), 20 * np.arange(4), ends - 20, np.full(4, 20))

    assert 80 <= sum(opened.decoded) < len(values) / 3


@given(st.data())
def test_no_changed_byte_breaks_the_reader(data: st.DataObject) -> None:
    matrix = counters([0.1, 5.0, 5.0, 900.0], 40)
    matrix[1, 7] = STALE
    page = bytearray(encode_values(matrix.ravel(), np.full(4, 40), np.arange(4) > 1, level=4))
    for _ in range(data.draw(st.integers(1, 3))):
        page[data.draw(st.integers(1, len(page) - 1))] = data.draw(st.integers(0, 255))
    try:
        opened = open_values(bytes(page), 160)
        found = decode_values(bytes(page), 160) if opened is None else opened.values()
    except Undecodable:
        return
    assert bits(found) == bits(decode_values(bytes(page), 160))


def test_numpy_decodes_in_mode_off() -> None:
    page = encode_values(np.arange(40.0), np.array([40]), np.zeros(1, np.bool_), level=4)
    with PAGES.forced(Mode.OFF):
        assert open_values(page, 40) is None
    assert open_values(page, 40) is not None
