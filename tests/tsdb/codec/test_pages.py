"""Pages of rows: every bit comes back, alike rows become small, and no bytes break the reader."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from novaql.tsdb.codec.columns import Undecodable, encode_numbers
from novaql.tsdb.codec.packed import Unpacker, pack
from novaql.tsdb.codec.pages import decode_times, decode_values, encode_times, encode_values
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE, Floats

PATTERNS = (0, 1 << 63, 1, (1 << 52) - 1, 0x7FF0000000000002, 0x7FF8000000000001, 0xFFF << 52)

numbers = st.one_of(
    st.integers(-3, 1000).map(float),
    st.integers(-(10**6), 10**6).map(lambda n: n / 100),
    st.integers(-(10**15), 10**15).map(lambda n: n / 10**9),
    st.integers((1 << 50), (1 << 54)).map(float),
    st.floats(width=64),
    st.sampled_from(PATTERNS).map(lambda p: float(np.uint64(p).view(np.float64))),
)
rows = st.one_of(
    st.lists(numbers, min_size=1, max_size=60),
    st.tuples(st.floats(0, 1e6), st.integers(1, 70)).map(lambda r: [round(r[0], 2)] * r[1]),
    st.tuples(st.integers(0, 10**6), st.integers(1, 70), st.integers(0, 50)).map(
        lambda r: [float(r[0] + n * r[2]) for n in range(r[1])]
    ),
)


def bits(values: Floats) -> list[int]:
    found: list[int] = values.view(np.int64).tolist()
    return found


def no_links(count: int) -> NDArray[np.bool_]:
    return np.zeros(count, np.bool_)


def same_length(found: list[list[float]]) -> list[list[float]]:
    width = min(map(len, found))
    return [row[:width] for row in found]


@given(st.lists(rows, min_size=1, max_size=12), st.data())
def test_every_bit_comes_back(found: list[list[float]], data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        found = same_length(found)
    linked = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found))), np.bool_
    )
    values = np.array([value for row in found for value in row])
    lengths = np.array([len(row) for row in found])

    page = encode_values(values, lengths, linked, level=data.draw(st.sampled_from([4, 8])))

    assert bits(decode_values(page, len(values))) == bits(values)


@given(st.integers(0, 2**32), st.integers(1, 400), st.integers(1, 9))
def test_random_bit_patterns_come_back(seed: int, width: int, count: int) -> None:
    values = np.random.default_rng(seed).integers(0, 1 << 64, width * count, np.uint64)
    page = encode_values(
        values.view(np.float64), np.full(count, width), np.ones(count, np.bool_), level=4
    )

    assert bits(decode_values(page, len(values))) == values.view(np.int64).tolist()


def counters(scales: list[float], width: int) -> Floats:
    rng = np.random.default_rng(11)
    grown = np.cumsum([rng.poisson(scale, width) for scale in scales], axis=1)
    return (grown + rng.integers(10**6, 10**7, (len(scales), 1))).astype(np.float64)


def size(matrix: Floats, linked: NDArray[np.bool_]) -> int:
    page = encode_values(matrix.ravel(), np.full(len(matrix), matrix.shape[1]), linked, level=8)
    assert bits(decode_values(page, matrix.size)) == bits(matrix.ravel())
    return len(page)


def test_rows_of_different_size_do_not_spoil_one_another() -> None:
    matrix = counters([0.01, 1.0, 100.0, 10000.0] * 5, 720)
    together = size(matrix, no_links(20))
    apart = sum(size(matrix[row : row + 1], no_links(1)) for row in range(20))

    assert together < 0.97 * apart


def test_decimals_are_as_small_as_the_whole_numbers_they_are() -> None:
    whole = counters([5.0] * 8, 720)

    assert size(whole / 100, no_links(8)) < 1.01 * size(whole, no_links(8)) + 10
    assert size(whole / 100, no_links(8)) < 0.8 * 8 * len(encode_numbers(whole[0] / 100, 8))


def test_buckets_are_written_as_what_each_adds() -> None:
    hits = counters([30.0] * 11, 720)
    buckets = np.cumsum(hits, axis=0)
    linked = np.arange(11) > 0

    assert size(buckets, linked) < 1.02 * size(hits, no_links(11)) + 20
    assert size(buckets, linked) < 0.9 * size(buckets, no_links(11))


def test_a_hint_that_does_not_help_costs_nothing() -> None:
    matrix = counters([3.0, 8000.0] * 4, 720)

    assert size(matrix, np.arange(8) > 0) <= size(matrix, no_links(8)) + 2


def test_stale_markers_cost_little() -> None:
    matrix = counters([20.0] * 10, 720)
    clean = size(matrix, no_links(10))
    matrix[:, -1] = STALE
    matrix[3, 100] = -0.0

    assert size(matrix, no_links(10)) < clean + 150


@given(
    st.lists(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=30), min_size=1).filter(
        lambda found: sum(map(len, found)) > 0
    )
)
def test_any_times_come_back(found: list[list[int]]) -> None:
    times = np.array([t for row in found for t in sorted(row)], np.int64)
    page = encode_times(times, np.array([len(row) for row in found]), level=4)

    assert decode_times(page, len(times)).tolist() == times.tolist()


def even_grids(jitter: int) -> tuple[Ints, Ints]:
    rng = np.random.default_rng(5)
    starts = rng.integers(0, 15_000, 12)[:, None] + 1_700_000_000_000
    grids = starts + np.arange(600) * 15_000 + rng.integers(0, jitter + 1, (12, 600))
    return grids.ravel(), np.full(12, 600)


def test_even_times_cost_next_to_nothing() -> None:
    times, lengths = even_grids(0)
    page = encode_times(times, lengths, level=8)
    assert len(page) < 150
    assert decode_times(page, 7200).tolist() == times.tolist()


def test_even_times_of_one_row_are_a_few_numbers() -> None:
    page = encode_times(np.arange(5000) * 15_000 + 1_700_000_000_000, np.array([5000]), level=4)

    assert len(page) == 32
    assert decode_times(page, 5000).tolist() == list(
        range(1_700_000_000_000, 1_700_075_000_000, 15_000)
    )
    for wrong in (page + b"\0", page[:-1]):
        with pytest.raises(Undecodable):
            decode_times(wrong, 5000)


def test_jitter_costs_what_it_tells() -> None:
    times, lengths = even_grids(7)
    page = encode_times(times, lengths, level=8)
    assert len(page) < 7200 * 3.05 / 8 + 250  # three bits each, and the beginnings
    assert len(page) < 0.9 * len(encode_numbers(times, 8))
    assert decode_times(page, 7200).tolist() == times.tolist()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=60))
def test_packed_numbers_come_back(found: list[int]) -> None:
    source = Unpacker(pack(np.array(found, np.int64), 4) + b"rest")
    assert source.ints(len(found)).tolist() == found
    assert source.data[source.at :] == b"rest"


@given(st.binary(max_size=80), st.integers(0, 40))
def test_no_bytes_break_the_readers(data: bytes, count: int) -> None:
    for read in (decode_values, decode_times):
        try:
            assert len(read(data, count)) == count
        except Undecodable:
            continue


@given(st.data())
def test_no_changed_byte_breaks_the_readers(data: st.DataObject) -> None:
    matrix = counters([0.1, 5.0, 5.0, 900.0], 40)
    matrix[1, 7] = STALE
    page = bytearray(encode_values(matrix.ravel(), np.full(4, 40), np.arange(4) > 1, level=4))
    for _ in range(data.draw(st.integers(1, 3))):
        page[data.draw(st.integers(0, len(page) - 1))] = data.draw(st.integers(0, 255))
    del page[data.draw(st.integers(len(page) // 2, len(page))) :]
    try:
        assert len(decode_values(bytes(page), 160)) == 160
    except Undecodable:
        return


@pytest.mark.parametrize("page", [b"", b"\x07", b"\x01" + bytes(7)])
def test_what_is_no_page_is_refused(page: bytes) -> None:
    with pytest.raises(Undecodable):
        decode_values(page, 3)
    with pytest.raises(Undecodable):
        decode_times(page, 3)
