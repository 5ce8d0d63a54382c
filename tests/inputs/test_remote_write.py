"""Remote write 1.0 against messages that Google's protobuf wrote."""

from __future__ import annotations

import math
from typing import Any

import cramjam
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.inputs.remote_write.plain_decoder import PlainDecoder
from novaql.tsdb.model.samples import STALE, STALE_BITS, Batch
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS, Metadata
from tests.support.messages.remote_write_messages import Series, message_of, packed
from tests.support.store.batches import Plain, bits, floats, label_sets, plain

any_time = st.integers(FIRST_SAMPLE_MS, LAST_SAMPLE_MS) | st.integers(
    1_700_000_000_000, 1_700_000_009_000
)
series_lists = st.lists(
    st.tuples(label_sets(), st.lists(st.tuples(any_time, floats | st.just(0.0)), max_size=4)),
    max_size=6,
)


def said(message: list[Series]) -> Plain:
    out: Plain = {}
    for labels, samples in message:
        for time, value in samples:
            # A value of -0.0 is written by protobuf, a value of 0.0 is left out.
            out.setdefault(tuple(sorted(labels.items())), {})[time] = bits(value)
    return out


def raw(message: Any) -> bytes:
    """As the plain decoder takes it."""
    return bytes(message.SerializeToString())


def attempt(message: bytes) -> Batch | str:
    """What a message brings, or why it is refused."""
    try:
        return RemoteWriteDecoder().decode_message(message).batch
    except InputError as problem:
        return str(problem)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(series_lists, min_size=1, max_size=4))
def test_messages_mean_what_protobuf_wrote(messages: list[list[Series]]) -> None:
    decoder = RemoteWriteDecoder(most_series=8)
    for _ in range(2):
        for message in messages:
            assert plain(decoder.decode(packed(message_of(message))).batch) == said(message)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read_but_nothing_else_happens(noise: bytes) -> None:
    found = attempt(noise)
    assert found if isinstance(found, str) else len(found.series) >= 0


@settings(max_examples=30)
@given(series_lists, st.data())
def test_a_message_cut_off_is_refused_or_whole_series(
    message: list[Series], data: st.DataObject
) -> None:
    whole = message_of(message).SerializeToString()
    cut = data.draw(st.integers(0, len(whole)))
    found = attempt(whole[:cut])
    if isinstance(found, str):
        assert "byte" in found
        return
    for labels, samples in plain(found).items():
        assert labels in said(message)
        assert set(samples) <= set(said(message)[labels])


def node(number: int, time: int, value: float = 1.5) -> Series:
    return {"__name__": "up", "instance": f"node-{number}"}, [(time, value)]


def test_known_series_share_one_table() -> None:
    decoder = PlainDecoder()
    times = [1_700_000_000_000 + 15_000 * scrape for scrape in range(4)]
    tables = []
    for time in times:
        for first in (0, 50):
            message = message_of([node(number, time) for number in range(first, first + 50)])
            tables.append(decoder.decode(raw(message)).batch.series)
    assert len({id(table) for table in tables[4:]}) == 1
    # A newcomer has a table of its own until there are enough of them.
    late = raw(message_of([node(0, 1_700_000_100_000), node(100, 1_700_000_100_000)]))
    once, again = (decoder.decode(late).batch for _ in range(2))
    assert once.series is again.series
    assert plain(once) == plain(again)
    usual = decoder.decode(raw(message_of([node(3, 1_700_000_100_000)])))
    assert usual.batch.series is tables[-1]


@settings(max_examples=40)
@given(
    st.lists(st.lists(floats | st.just(0.0), min_size=6, max_size=6), min_size=4, max_size=8),
    st.integers(1_600_000_000_000, 1_900_000_000_000),
)
def test_messages_with_the_same_series_again(scrapes: list[list[float]], time: int) -> None:
    decoder = PlainDecoder()
    for repeat in range(2):
        for at, values in enumerate(scrapes):
            stamp = time + 15_000 * at + repeat
            message = [node(number, stamp, value) for number, value in enumerate(values)]
            message.append(({"__name__": "many"}, [(stamp, 1.0), (stamp + 1, values[0])]))
            found = decoder.decode(raw(message_of(message)))
            assert plain(found.batch) == said(message)


def test_series_in_another_order_are_not_those_of_the_message_before() -> None:
    decoder = PlainDecoder()
    times = [1_700_000_000_000 + 15_000 * scrape for scrape in range(5)]
    batches = []
    for time in times:
        message = [node(number, time, float(number + time % 7)) for number in range(1, 9)]
        batches.append(decoder.decode(raw(message_of(message))).batch)
        assert plain(batches[-1]) == said(message)
    assert batches[-2].series is batches[-1].series
    other = [node(9 - number, 1_700_000_100_000, 2.5) for number in range(1, 9)]
    assert plain(decoder.decode(raw(message_of(other))).batch) == said(other)


def test_stale_markers_and_zeros_keep_their_bits() -> None:
    time = 1_700_000_000_000
    message = message_of([node(0, time, STALE), node(1, time, 0.0), node(2, time, -0.0)])
    batch = RemoteWriteDecoder().decode(packed(message)).batch
    found = batch.values.view(np.uint64).tolist()
    assert found[0] == STALE_BITS
    assert math.copysign(1, batch.values[1]) == 1
    assert math.copysign(1, batch.values[2]) == -1


def test_metadata_and_exemplars() -> None:
    message = message_of([node(0, 1)])
    message.timeseries[0].exemplars.add(value=1, timestamp=-5).labels.add(name="id", value="é")
    message.metadata.add(type=1, metric_family_name="requests_total", help="Requests.", unit="s")
    message.metadata.add(type=99, metric_family_name="odd")
    found = RemoteWriteDecoder().decode(packed(message))
    assert (found.histograms, len(found.batch)) == (0, 1)
    exemplars = found.batch.exemplars
    assert exemplars is not None
    assert found.batch.series.labels(int(exemplars.series_index[0])) == dict(node(0, 1)[0])
    assert (exemplars.timestamps.tolist(), exemplars.values.tolist()) == ([-5], [1.0])
    assert exemplars.labels.dicts() == [{"id": "é"}]
    assert found.metadata == {
        "requests_total": Metadata("counter", "Requests.", "s"),
        "odd": Metadata("unknown"),
    }


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"job": "x"}, "no metric name"),
        ({}, "no metric name"),
        ({"__name__": "up", "": "x"}, "no name"),
    ],
)
def test_bad_labels_are_named(labels: dict[str, str], reason: str) -> None:
    message = message_of([node(0, 1), (labels, [(1_700_000_000_000, 1.0)])])
    with pytest.raises(InputError, match=reason) as caught:
        RemoteWriteDecoder().decode(packed(message))
    assert "byte" in str(caught.value)


def test_a_label_given_twice_is_refused() -> None:
    message = message_of([node(0, 1)])
    message.timeseries[0].labels.add(name="instance", value="other")
    with pytest.raises(InputError, match="instance is given twice"):
        RemoteWriteDecoder().decode(packed(message))


@pytest.mark.parametrize("time", [2**62 + 1, -(2**62) - 1, LAST_SAMPLE_MS + 1, FIRST_SAMPLE_MS - 1])
def test_times_out_of_range_are_refused(time: int) -> None:
    with pytest.raises(InputError, match=f"the time {time} is out of range"):
        RemoteWriteDecoder().decode(packed(message_of([node(0, 1), node(1, time)])))


def test_text_that_is_not_utf8_is_refused() -> None:
    broken = message_of([node(0, 1)]).SerializeToString().replace(b"node-0", b"node-\xff")
    with pytest.raises(InputError, match="UTF-8"):
        RemoteWriteDecoder().decode_message(broken)


def test_a_refused_message_teaches_nothing_wrong() -> None:
    decoder = RemoteWriteDecoder()
    good = message_of([node(0, 1), node(1, 2)])
    with pytest.raises(InputError):
        decoder.decode_message(good.SerializeToString()[:-3])
    assert plain(decoder.decode(packed(good)).batch) == said([node(0, 1), node(1, 2)])


def test_a_body_that_is_not_snappy_or_too_large() -> None:
    with pytest.raises(InputError, match="snappy"):
        RemoteWriteDecoder().decode(b"\x09 hello")
    bomb = bytes(cramjam.snappy.compress_raw(bytes(1 << 20)))
    with pytest.raises(LimitExceeded, match="1048576 bytes"):
        RemoteWriteDecoder(most_bytes=1000).decode(bomb)
