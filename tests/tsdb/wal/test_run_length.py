"""Samples in runs come back as they were, in fewer bytes; other bytes are refused."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.tsdb.codec.columns import Undecodable
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.wal.record import RUNS_FROM, decode, encode_samples
from novaql.tsdb.wal.run_length import decode_runs, encode_runs

RUNS = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1),
        st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=8,
)
"""Ids with times."""


def columns(runs: list[tuple[int, list[int]]]) -> tuple[Ints, Ints]:
    ids = np.array([number for number, times in runs for _ in times], np.int64)
    return ids, np.array([time for _, times in runs for time in times], np.int64)


def targets(series: int, scrapes: int) -> tuple[Ints, Ints]:
    """Two targets, series after series."""
    times = np.concatenate([np.tile(np.arange(scrapes) * 15_000 + t, series) for t in (3, 8)])
    return np.repeat(np.arange(2 * series), scrapes), times


@given(RUNS, st.booleans(), st.booleans())
def test_places_come_back(runs: list[tuple[int, list[int]]], alike: bool, ordered: bool) -> None:
    if alike:
        runs = [(number, runs[0][1]) for number, _ in runs]
    if ordered:
        runs = [(number, times) for number, (_, times) in enumerate(runs)]
    ids, times = columns(runs)
    flags, data = encode_runs(ids, times)
    found_ids, found_times, end = decode_runs(data + bytes(8 * len(ids)), 0, flags, len(ids))
    assert found_ids.tolist() == ids.tolist()
    assert found_times.tolist() == times.tolist()
    assert end == len(data)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=40))
def test_places_of_one_sample_a_series_come_back(samples: list[tuple[int, int]]) -> None:
    steps, times = np.array(samples, np.int64).T
    ids = np.cumsum(steps + 1)  # no two neighbours are equal
    flags, data = encode_runs(ids, times)
    found_ids, found_times, end = decode_runs(data + bytes(8 * len(ids)), 0, flags, len(ids))
    assert found_ids.tolist() == ids.tolist()
    assert found_times.tolist() == times.tolist()
    assert end == len(data)


@given(RUNS, st.binary(max_size=60), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_no_bytes_break_the_decoder(
    runs: list[tuple[int, list[int]]], junk: bytes, flags: int, count: int
) -> None:
    for data in (junk, encode_runs(*columns(runs))[1] + junk):
        for some in (count, len(data) // 8, 1):
            try:
                ids, times, _ = decode_runs(data, 0, flags, some)
            except Undecodable:
                continue
            assert len(ids) == len(times) == some


@pytest.mark.parametrize("started", [False, True])
def test_a_large_record_is_little_more_than_its_values(started: bool) -> None:
    ids, times = targets(50, 20)
    values = np.random.default_rng(1).integers(0, 2**64, len(ids), np.uint64).view(np.float64)
    starts = np.arange(len(ids)) if started else None

    data = b"".join(encode_samples(ids, times, values, starts))

    record = decode(data)
    assert isinstance(record, FloatSamples)
    assert record.ids.tolist() == ids.tolist()
    assert record.times.tolist() == times.tolist()
    assert record.values.tobytes() == values.tobytes()
    assert (record.starts is None) == (not started)
    assert record.starts is None or record.starts.tolist() == list(range(len(ids)))
    assert len(ids) >= RUNS_FROM
    assert len(data) < (16 if started else 8) * len(ids) + 500
