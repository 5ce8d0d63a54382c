"""The compiled walk against the plain decoder: the same of every message, also of broken ones.

NOVAQL_FUZZ=100000 pytest tests/inputs/test_wire.py   runs as many examples of each property.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError, NovaqlError
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.protobuf.wire import bytes_field, field_end, fields
from novaql.inputs.remote_write.compiled_decoder import CompiledDecoder
from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.inputs.remote_write.plain_decoder import PlainDecoder
from novaql.inputs.remote_write.write_request import WriteRequest
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS
from novaql.tsdb.runtime.compiled import Functions
from tests.support.generators.fuzzing import EXAMPLES
from tests.support.messages.message_mutations import mutated
from tests.support.messages.remote_write_messages import Series, message_of
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
        return decoder.decode(np.frombuffer(data, np.uint8))
    except InputError as problem:
        return str(problem)


def same(found: WriteRequest, plainly: WriteRequest) -> None:
    assert plain(found.batch) == plain(plainly.batch)
    assert len(found.batch) == len(plainly.batch)
    assert (found.metadata, found.histograms) == (plainly.metadata, plainly.histograms)
    assert exemplars_of(found) == exemplars_of(plainly)


def exemplars_of(found: WriteRequest) -> list[object]:
    some = found.batch.exemplars
    if some is None:
        return []
    series = [found.batch.series.labels(row) for row in some.series_index.tolist()]
    return [series, some.timestamps.tolist(), some.values.tobytes(), some.labels.dicts()]


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(messages, min_size=1, max_size=4), st.integers(1, 30))
def test_what_protobuf_writes_is_walked(sent: list[list[Series]], most_series: int) -> None:
    decoder, slow = compiled(most_series), PlainDecoder()
    for _ in range(2):
        for message in sent:
            data = message_of(message).SerializeToString()
            found = walked(decoder, data)
            assert isinstance(found, WriteRequest)
            same(found, slow.decode(data))


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(messages, st.integers(1, 200))
def test_beginnings_are_together_the_message(sent: list[Series], most: int) -> None:
    """Each has whole series, and as few as have `most` bytes, or one sample for each 8 of them; a
    longer series is given up."""
    decoder = compiled()
    message = message_of(sent)
    octets = np.frombuffer(message.SerializeToString(), np.uint8)
    longest = max((len(field) for field in fields_of(message)), default=0)
    at = series = 0
    found: list[object] = []
    while at < len(octets):
        beginning = decoder.decode_beginning(octets[at:], most)
        if beginning is None:
            assert longest > most
            return
        batch = beginning.request.batch
        is_full = most <= beginning.end or len(batch.values) > most // 8
        assert is_full or at + beginning.end == len(octets)
        assert 0 < beginning.end < most + longest
        found += zip(batch.timestamps.tolist(), batch.values.view(np.int64).tolist(), strict=True)
        at += beginning.end
        series += beginning.series
    whole = PlainDecoder().decode(octets.tobytes()).batch
    assert series == len(sent)
    assert found == list(
        zip(whole.timestamps.tolist(), whole.values.view(np.int64).tolist(), strict=True)
    )


def fields_of(message: Any) -> list[bytes]:
    return [bytes_field(1, one.SerializeToString()) for one in message.timeseries]


@given(
    st.binary(min_size=1, max_size=12) | st.binary(max_size=200).map(lambda b: bytes_field(2, b))
)
def test_a_field_ends_where_the_walk_over_fields_has_its_end(data: bytes) -> None:
    try:
        *_, end = next(fields(data, 0, len(data)))
    except InputError as problem:
        with pytest.raises(InputError, match=re.escape(str(problem))):
            field_end(data, 0, len(data))
    else:
        assert field_end(data, 0, len(data)) == end


@pytest.mark.slow
@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(messages, st.data())
def test_a_broken_message_is_never_read_otherwise(sent: list[Series], data: st.DataObject) -> None:
    """The walk gives a message up, or reads what the plain decoder reads."""
    whole = message_of(sent)
    for series in whole.timeseries:
        if data.draw(st.booleans()):
            series.exemplars.add(value=1.0, timestamp=7).labels.add(name="trace", value="é")
        if data.draw(st.booleans()):
            one = series.histograms.add(timestamp=5, count_int=1, zero_count_int=1, sum=1.0)
            one.positive_spans.add(offset=0, length=0)
    whole.metadata.add(type=1, metric_family_name="m", help="h")
    good = whole.SerializeToString()
    decoder = compiled()
    for _ in range(3):
        bad = data.draw(mutated(good))
        found = walked(decoder, bad)
        try:
            plainly: WriteRequest | None = PlainDecoder().decode(bad)
        except NovaqlError:
            plainly = None
        if isinstance(found, WriteRequest):
            assert plainly is not None
            same(found, plainly)
        elif isinstance(found, str):
            assert plainly is None
    found = walked(decoder, good)  # whatever it met before
    assert isinstance(found, WriteRequest)
    same(found, PlainDecoder().decode(good))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_walked_or_given_up(noise: bytes) -> None:
    found = walked(compiled(), noise)
    if isinstance(found, WriteRequest):
        same(found, PlainDecoder().decode(noise))


def churning(pods: range, time: int) -> list[Series]:
    return [
        ({"__name__": "m", "namespace": f"n{pod % 7}", "pod": f"pod-{pod}"}, [(time, float(pod))])
        for pod in pods
    ]


def test_tables_grow_within_a_family() -> None:
    decoder = compiled()
    families = set()
    for step in range(5):
        data = message_of(churning(range(10 * step, 10 * step + 40), 1000 + step))
        found = walked(decoder, data.SerializeToString())
        assert isinstance(found, WriteRequest)
        families.add(id(found.batch.series.family))
        assert len(found.batch.series) == 40 + 10 * step
        assert plain(found.batch) == plain(PlainDecoder().decode(data.SerializeToString()).batch)
    assert len(families) == 1


def test_a_table_stays_the_same_object_while_no_series_is_new() -> None:
    decoder = compiled()
    tables = []
    for step in range(3):
        found = walked(decoder, message_of(churning(range(9), step)).SerializeToString())
        assert isinstance(found, WriteRequest)
        tables.append(found.batch.series)
    assert tables[0] is tables[1] is tables[2]


@pytest.mark.slow
def test_colliding_texts_are_told_apart() -> None:
    """More texts than slots of the first table, so that most have met another on their way."""
    decoder = compiled()
    data = message_of(churning(range(5000), 1)).SerializeToString()
    found = walked(decoder, data)
    assert isinstance(found, WriteRequest)
    assert sorted(labels["pod"] for labels in found.batch.series) == sorted(
        f"pod-{pod}" for pod in range(5000)
    )
    again = walked(decoder, data)
    assert isinstance(again, WriteRequest)
    same(again, found)


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        (LabelLimits(labels=3), {f"l{i}": "x" for i in range(3)}),
        (LabelLimits(name_bytes=20), {"ä" * 11: "x"}),
        (LabelLimits(value_bytes=20), {"a": "ä" * 11}),
        (LabelLimits(names=5), {f"l{i}": "x" for i in range(11)}),
        (LabelLimits(series=0), {}),
    ],
)
@pytest.mark.parametrize("walks", [True, False])
def test_limits_hold_in_both(limits: LabelLimits, labels: dict[str, str], walks: bool) -> None:
    data = message_of([({"__name__": "m", **labels}, [(1, 1.0)])]).SerializeToString()
    if walks:
        assert walked(compiled(limits=limits), data) is None
    with pytest.raises(NovaqlError, match=r"limit|more than"):
        RemoteWriteDecoder(limits=limits).decode_message(data)
    with pytest.raises(NovaqlError, match=r"limit|more than"):
        PlainDecoder(limits=limits).decode(data)
    assert len(RemoteWriteDecoder().decode_message(data).batch) == 1
