"""Small records decoded together give what each of them says."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.wal.bulk_decode import decode_plain_records, is_plain
from novaql.tsdb.wal.record import decode, encode_metadata, encode_samples

TIME = st.integers(-(2**62), 2**62)


@st.composite
def records(draw: st.DrawFn) -> list[bytes]:
    """Some records of the same shape."""
    counting, together = draw(st.booleans()), draw(st.booleans())
    made = []
    for count in draw(st.lists(st.integers(2, 9), min_size=1, max_size=6)):
        ids = np.array(draw(st.lists(st.integers(0, 2**32 - 20), min_size=count, max_size=count)))
        ids[-1] = ids[0]  # listed, not counting up
        times = np.array(draw(st.lists(TIME, min_size=count, max_size=count, unique=True)))
        values = np.array(draw(st.lists(st.floats(), min_size=count, max_size=count)))
        ids = ids[0] + np.arange(count) if counting else ids
        times = np.full(count, times[0]) if together else times
        made.append(b"".join(encode_samples(ids, times, values)))
    return made


@given(records())
def test_records_together_are_what_each_is(payloads: list[bytes]) -> None:
    assert all(map(is_plain, payloads))
    found = decode_plain_records(payloads)
    each = [record for record in map(decode, payloads) if isinstance(record, FloatSamples)]
    assert found.ids.tolist() == np.concatenate([record.ids for record in each]).tolist()
    assert found.times.tolist() == np.concatenate([record.times for record in each]).tolist()
    assert found.values.tobytes() == b"".join(record.values.tobytes() for record in each)
    assert found.starts is None


def test_what_is_not_plain_is_left_to_decode() -> None:
    ids, times, values = np.arange(3), np.arange(3), np.ones(3)
    whole = b"".join(encode_samples(ids, times, values))
    assert is_plain(whole)
    assert not is_plain(whole[:-1])
    assert not is_plain(whole + b"\0")
    assert not is_plain(b"")
    assert not is_plain(b"".join(encode_samples(ids, times, values, starts=times)))
    assert not is_plain(b"".join(encode_samples(np.arange(2000), np.arange(2000), np.ones(2000))))
    assert not is_plain(b"".join(encode_metadata({})))
