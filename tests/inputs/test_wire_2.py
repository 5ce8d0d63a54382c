"""The compiled walk of remote write 2.0 against the plain decoder: the same of every message.

NOVAQL_FUZZ=100000 pytest tests/inputs/test_wire_2.py   runs as many examples of each property.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError, NovaqlError
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.remote_write.compiled_decoder import CompiledDecoder
from novaql.inputs.remote_write.write_request import WriteRequest
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS
from novaql.tsdb.runtime.compiled import Functions
from tests.support.generators.fuzzing import EXAMPLES
from tests.support.messages.message_mutations import mutated
from tests.support.messages.plain_decoding import decode_request
from tests.support.messages.remote_messages import write_2_message
from tests.support.messages.remote_write_messages import message_of
from tests.support.store.batches import floats, label_sets, plain

times = st.integers(FIRST_SAMPLE_MS, LAST_SAMPLE_MS) | st.integers(
    1_700_000_000_000, 1_700_000_009_000
)
samples = st.lists(st.tuples(times, floats | st.just(0.0)), max_size=4)
messages = st.lists(st.tuples(label_sets(), samples), max_size=8)


@pytest.fixture(scope="module", autouse=True)
def kernels() -> Functions:
    pytest.importorskip("numba", reason="pip install 'novaql[fast]' brings numba")
    WALKS.prepare()
    found = WALKS.ready()
    if found is None:
        pytest.skip("NOVAQL_COMPILED=off: run without it")
    return found


def compiled(most_series: int = 10_000, limits: LabelLimits = USUAL_LIMITS) -> CompiledDecoder:
    found = WALKS.ready()
    assert found is not None
    return CompiledDecoder(found, most_series=most_series, limits=limits)


def walked(decoder: CompiledDecoder, data: bytes) -> WriteRequest | str | None:
    try:
        return decoder.decode_2(np.frombuffer(data, np.uint8))
    except InputError as problem:
        return str(problem)


def same(found: WriteRequest, plainly: WriteRequest) -> None:
    assert plain(found.batch) == plain(plainly.batch)
    assert starts_of(found) == starts_of(plainly)
    assert (found.metadata, found.histograms) == (plainly.metadata, plainly.histograms)
    assert exemplars_of(found) == exemplars_of(plainly)


def starts_of(found: WriteRequest) -> list[object]:
    native = found.batch.native
    histograms = None if native is None or native.starts is None else native.starts.tolist()
    return [None if found.batch.starts is None else found.batch.starts.tolist(), histograms]


def exemplars_of(found: WriteRequest) -> list[object]:
    some = found.batch.exemplars
    if some is None:
        return []
    series = [found.batch.series.labels(row) for row in some.series_index.tolist()]
    return [series, some.timestamps.tolist(), some.values.tobytes(), some.labels.dicts()]


def adorned(message: Any, data: st.DataObject) -> bytes:
    """The message with start timestamps, exemplars, histograms and metadata here and there."""
    last = len(message.symbols) - 1
    for series in message.timeseries:
        for sample in series.samples:
            if data.draw(st.booleans()):
                sample.start_timestamp = data.draw(times)
        if last >= 0 and data.draw(st.booleans()):
            exemplar = series.exemplars.add(value=1.0, timestamp=7)
            exemplar.labels_refs.extend([last, 0])
        if data.draw(st.booleans()):
            one = series.histograms.add(timestamp=5, count_int=1, zero_count_int=1, sum=1.0)
            one.start_timestamp = data.draw(st.sampled_from([0, 3]))
        if last >= 0 and data.draw(st.booleans()):
            series.metadata.type = data.draw(st.integers(0, 9))
            series.metadata.help_ref = data.draw(st.integers(0, last))
    return message.SerializeToString()  # type: ignore[no-any-return]


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(messages, min_size=1, max_size=4), st.integers(1, 30), st.data())
def test_what_protobuf_writes_is_walked(
    sent: list[list[Any]], most_series: int, data: st.DataObject
) -> None:
    decoder = compiled(most_series)
    written = [adorned(write_2_message(message), data) for message in sent]
    for _ in range(2):
        for message in written:
            found = walked(decoder, message)
            assert isinstance(found, WriteRequest)
            same(found, decode_request(message))


@pytest.mark.slow
@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(messages, st.data())
def test_a_broken_message_is_never_read_otherwise(sent: list[Any], data: st.DataObject) -> None:
    """The walk gives a message up, or reads what the plain decoder reads."""
    good = adorned(write_2_message(sent), data)
    decoder = compiled()
    for _ in range(3):
        bad = data.draw(mutated(good))
        found = walked(decoder, bad)
        try:
            plainly: WriteRequest | None = decode_request(bad)
        except NovaqlError:
            plainly = None
        if isinstance(found, WriteRequest):
            assert plainly is not None
            same(found, plainly)
        elif isinstance(found, str):
            assert plainly is None
    found = walked(decoder, good)  # whatever it met before
    assert isinstance(found, WriteRequest)
    same(found, decode_request(good))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_walked_or_given_up(noise: bytes) -> None:
    found = walked(compiled(), noise)
    if isinstance(found, WriteRequest):
        same(found, decode_request(noise))


def pods(numbers: list[int]) -> list[Any]:
    return [
        ({"__name__": "m", "pod": f"pod-{n}"}, [(1_700_000_000_000, float(n))]) for n in numbers
    ]


def test_series_are_recognised_by_other_symbols_and_in_the_other_version() -> None:
    decoder = compiled()
    first = walked(decoder, write_2_message(pods([1, 2, 3])).SerializeToString())
    other = walked(decoder, write_2_message(pods([3, 1])).SerializeToString())
    old = decoder.decode(np.frombuffer(message_of(pods([2, 3])).SerializeToString(), np.uint8))

    assert isinstance(first, WriteRequest)
    assert isinstance(other, WriteRequest)
    assert old is not None
    assert first.batch.series is other.batch.series is old.batch.series
    assert first.batch.series_index.tolist() == [0, 1, 2]
    assert other.batch.series_index.tolist() == [2, 0]
    assert old.batch.series_index.tolist() == [1, 2]


def test_a_rejected_message_leaves_no_texts_behind() -> None:
    decoder = compiled()
    message = write_2_message(pods([1]))
    message.symbols.append("alone")
    message.timeseries[0].labels_refs.append(99)
    assert walked(decoder, message.SerializeToString()) is None

    for number in (7, 8):
        data = write_2_message(pods([number])).SerializeToString()
        found = walked(decoder, data)
        assert isinstance(found, WriteRequest)
        same(found, decode_request(data))


def test_symbols_of_no_new_series_leave_no_texts_behind() -> None:
    """A trace id is a symbol of one message."""
    decoder = compiled()
    assert isinstance(walked(decoder, write_2_message(pods([1])).SerializeToString()), WriteRequest)
    before = decoder._known.texts.count, len(decoder._known.strings)
    message = write_2_message(pods([1]))
    message.symbols.append("trace-id")
    message.timeseries[0].exemplars.add(value=1.0).labels_refs.extend([1, len(message.symbols) - 1])

    found = walked(decoder, message.SerializeToString())

    assert isinstance(found, WriteRequest)
    assert found.batch.exemplars is not None
    assert found.batch.exemplars.labels.dicts() == [{"__name__": "trace-id"}]
    assert (decoder._known.texts.count, len(decoder._known.strings)) == before


def test_limits_are_left_to_the_plain_decoder() -> None:
    data = write_2_message(pods([1, 2, 3])).SerializeToString()

    assert walked(compiled(limits=LabelLimits(series=2)), data) is None
    assert walked(compiled(limits=LabelLimits(labels=1)), data) is None
    assert walked(compiled(limits=LabelLimits(value_bytes=4)), data) is None
    assert isinstance(walked(compiled(limits=LabelLimits(series=3, labels=2)), data), WriteRequest)
