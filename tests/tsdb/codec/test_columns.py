"""Columns come back; what is no column is refused."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.codec.columns import (
    TextColumn,
    Undecodable,
    decode_numbers,
    encode_numbers,
    encode_texts,
)
from novaql.tsdb.disk.checksum import checksum


@given(st.lists(st.text(max_size=20), max_size=80, unique=True))
def test_texts_come_back_and_are_found(texts: list[str]) -> None:
    texts.sort(key=str.encode)
    column = TextColumn(encode_texts(texts), len(texts))
    assert column.all() == texts == [column[i] for i in range(len(column))]
    for at, text in enumerate(texts):
        assert column.bisect(text.encode()) == at


def test_repetitive_texts_are_compressed() -> None:
    texts = [f"http://host-{i:05d}.example.org/metrics" for i in range(1000)]
    data = encode_texts(texts)
    assert len(data) < sum(map(len, texts)) / 4
    assert TextColumn(data, 1000).all() == texts


@given(st.binary(max_size=60), st.integers(0, 5))
def test_no_bytes_break_the_text_reader(data: bytes, count: int) -> None:
    try:
        column = TextColumn(data, count)
    except Undecodable:
        return
    assert len(column) == count


@given(st.binary(max_size=60), st.integers(0, 5))
def test_no_bytes_break_the_number_reader(data: bytes, count: int) -> None:
    try:
        assert len(decode_numbers(data, np.float64, count)) == count
    except Undecodable:
        return


def test_numbers_of_another_type_or_count_are_refused() -> None:
    data = encode_numbers(np.arange(5))
    assert decode_numbers(data, np.int64, 5).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(Undecodable):
        decode_numbers(data, np.int64, 4)
    with pytest.raises(Undecodable):
        decode_numbers(data, np.float64, 5)


def test_a_checksum_knows_its_place() -> None:
    found = {
        checksum(identity, kind, number, data)
        for identity in (b"a" * 16, b"b" * 16)
        for kind in (b"values", b"times")
        for number in (0, 1)
        for data in (b"x", b"y")
    }
    assert len(found) == 16
    assert checksum(b"", b"k", 1, b"ab", b"c") == checksum(b"", b"k", 1, b"abc")
