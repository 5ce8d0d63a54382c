"""Remote write 2.0 against messages that Google's protobuf wrote, and broken ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError
from tests.support.messages.plain_decoding import decode_request
from tests.support.messages.remote_messages import write_2_message

NOW_S = 1_700_000_000

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
labels = st.dictionaries(texts, texts, max_size=4).flatmap(
    lambda found: texts.map(lambda name: found | {"__name__": name})
)
times = st.integers(-62_135_596_800_000, 253_402_300_799_999) | st.integers(
    1_600_000_000_000, 1_900_000_000_000
)
samples = st.lists(st.tuples(times, st.floats(allow_nan=False)), max_size=4)


@pytest.mark.slow
@given(st.lists(st.tuples(labels, samples), max_size=5))
@settings(max_examples=150, deadline=None)
def test_what_protobuf_writes_is_read(
    series: list[tuple[dict[str, str], list[tuple[int, float]]]],
) -> None:
    batch = decode_request(write_2_message(series).SerializeToString()).batch

    found = [
        (batch.series.labels(row), time, value)
        for row, time, value in zip(
            batch.series_index.tolist(),
            batch.timestamps.tolist(),
            batch.values.tolist(),
            strict=True,
        )
    ]
    assert found == [
        (dict(sorted(ls.items(), key=lambda p: p[0].encode())), t, v)
        for ls, pairs in series
        for t, v in pairs
    ]
    assert len(np.unique(batch.series.keys())) == len(batch.series)


def test_start_timestamps_stand_beside_their_samples() -> None:
    message = write_2_message([({"__name__": "m"}, [(t, 1.0) for t in (NOW_S * 1000, 3, 4)])])
    message.timeseries[0].samples[0].start_timestamp = NOW_S * 1000 - 5
    batch = decode_request(message.SerializeToString()).batch

    assert batch.starts is not None
    assert batch.starts.tolist() == [NOW_S * 1000 - 5, 0, 0]


def test_a_sample_of_zero_has_a_start_timestamp_too() -> None:
    """protobuf leaves out a value of 0, so these samples are shorter than those without a start."""
    message = write_2_message([({"__name__": "m"}, [(NOW_S * 1000, 0.0), (5, 1.0)])])
    message.timeseries[0].samples[0].start_timestamp = NOW_S * 1000 - 5
    message.timeseries[0].samples[1].start_timestamp = 3
    batch = decode_request(message.SerializeToString()).batch

    assert batch.values.tolist() == [0.0, 1.0]
    assert batch.starts is not None
    assert batch.starts.tolist() == [NOW_S * 1000 - 5, 3]


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = decode_request(data)
    except InputError:
        return
    assert len(found.batch) <= len(data)
