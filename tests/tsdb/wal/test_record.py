"""Records of the log come back, and nothing else is taken for one."""

from __future__ import annotations

import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given

from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.model.exemplars import SeriesExemplars
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.wal import record, run_length
from novaql.tsdb.wal.record import (
    Damage,
    MetadataRecord,
    SeriesRecord,
    decode,
    encode_metadata,
    encode_record,
    encode_samples,
    encode_segment_header,
    encode_series,
    read_records,
)

STORE = b"s" * 16


def segment(number: int, *payloads: bytes) -> bytes:
    data = encode_segment_header(STORE, number)
    for payload in payloads:
        data += b"".join(encode_record(STORE, number, len(data), payload))
    return data


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1), st.integers(-(2**62), 2**62), st.integers(0, 2**64 - 1)
        ),
        min_size=1,
    ),
    st.booleans(),
    st.booleans(),
)
def test_samples_come_back(rows: list[tuple[int, int, int]], count_up: bool, one: bool) -> None:
    ids = np.array([row[0] for row in rows])
    times = np.array([row[1] for row in rows])
    if count_up:
        ids = np.arange(len(rows)) + 7
    if one:
        times = np.full(len(rows), times[0])
    values = np.array([row[2] for row in rows], np.uint64).view(np.float64)
    found = decode(b"".join(encode_samples(ids, times, values)))
    assert isinstance(found, FloatSamples)
    assert found.ids.tolist() == ids.tolist()
    assert found.times.tolist() == times.tolist()
    assert found.values.tobytes() == values.tobytes()


@given(st.lists(st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=5)), min_size=1))
def test_series_come_back(label_sets: list[dict[str, str]]) -> None:
    table = SeriesTable.from_dicts(label_sets)
    found = decode(b"".join(encode_series(np.arange(len(table)) * 3, table)))
    assert isinstance(found, SeriesRecord)
    assert found.table.dicts() == table.dicts()
    assert found.ids.tolist() == list(range(0, 3 * len(table), 3))


def test_metadata_comes_back() -> None:
    metadata = {"m": Metadata("counter", "ä", "s")}
    assert decode(b"".join(encode_metadata(metadata))) == MetadataRecord(metadata)


@given(st.binary(max_size=80))
def test_no_payload_breaks_the_decoder(payload: bytes) -> None:
    try:
        decode(payload)
    except Undecodable:
        return


KINDS = [record.SERIES, record.SAMPLES, record.NATIVE, record.EXEMPLARS, record.SAMPLE_RUNS]


@given(
    st.sampled_from(KINDS), st.integers(0, 15), st.integers(0, 2**32 - 1), st.binary(max_size=80)
)
@example(record.SAMPLES, run_length.IDS_COUNT_UP, 2**30, bytes(8))
@example(record.NATIVE, run_length.IDS_COUNT_UP | run_length.ONE_TIME, 2**30, bytes(80))
@example(record.EXEMPLARS, 0, 0, b"\xff\xff\xff\x7f" + bytes(8))
def test_a_short_record_takes_little_memory_whatever_it_counts(
    kind: int, flags: int, count: int, rest: bytes
) -> None:
    payload = record.KIND.pack(kind, flags, 0, count) + rest
    tracemalloc.start()
    try:
        found = decode(payload)
        if isinstance(found, SeriesExemplars):
            assert found.series.rows <= len(payload)
    except Undecodable:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 100_000


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(Undecodable, match="unknown kind 9"):
        decode(bytes([9, 0, 0, 0, 0, 0, 0, 0]))


def test_a_record_is_valid_in_its_own_place_only() -> None:
    data = segment(1, b"one", b"two!")
    assert [item[1] for item in read_records(data, STORE, 1) if not isinstance(item, Damage)] == [
        b"one",
        b"two!",
    ]
    for other in (segment(2, b"one", b"two!"), data[:36] + data[51:] + data[36:51]):
        assert all(isinstance(item, Damage) for item in read_records(other, STORE, 1))
    assert all(isinstance(item, Damage) for item in read_records(data, b"t" * 16, 1))


@given(st.integers(0, 200), st.binary(min_size=1, max_size=30))
def test_records_after_damage_are_found(at: int, junk: bytes) -> None:
    data = segment(1, b"one", b"2" * 50, b"three")
    changed = bytearray(data)
    at %= len(data)
    changed[at : at + len(junk)] = junk[: len(data) - at]
    found = [item[1] for item in read_records(bytes(changed), STORE, 1) if isinstance(item, tuple)]
    assert set(found) <= {b"one", b"2" * 50, b"three"}
    if at > len(data) - len(b"three") - 12 and changed != data:
        assert found == [b"one", b"2" * 50]
    if at + len(junk) <= 36:
        assert found == [b"one", b"2" * 50, b"three"]
