"""Decoders that remember series: a broken message changes nothing for the messages after it.

Each decoder gets good messages and broken ones in turn. A good one always brings what it brings to
a decoder that has met nothing before, and a refused one leaves the memory as it was.

NOVAQL_FUZZ=100000 pytest tests/inputs/test_decoder_memory.py   runs as many examples of each.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import NovaqlError
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.http.scrape import TargetReader
from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.protobuf.exposition import ProtobufParser
from novaql.inputs.remote_write.compiled_decoder import CompiledDecoder
from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.inputs.remote_write.plain_decoder import PlainDecoder
from novaql.inputs.text.exposition import ExpositionParser
from novaql.inputs.text.influx import InfluxParser, LineProblems
from novaql.inputs.text.json_lines import JsonLinesParser
from novaql.tsdb.model.samples import Batch
from tests.support.generators.fuzzing import EXAMPLES
from tests.support.messages.message_mutations import mutated
from tests.support.messages.metric_families import COUNTER, GAUGE, delimited, family
from tests.support.messages.remote_messages import write_2_message
from tests.support.messages.remote_write_messages import message_of
from tests.support.store.batches import floats, label_sets, plain

NOW = 1_700_000_000_000
Brought = tuple[Any, ...]
times = st.integers(NOW, NOW + 9_000)
samples = st.lists(st.tuples(times, floats | st.just(0.0)), min_size=1, max_size=3)


@dataclass(frozen=True)
class Decoder:
    """One that is tested: what makes it, what feeds it, what it remembers."""

    make: Callable[[], Any]
    feed: Callable[[Any, bytes], Brought]
    remembers: Callable[[Any], object]
    messages: st.SearchStrategy[bytes]


def brought(batch: Batch, *more: object) -> Brought:
    native = batch.native
    histograms = [] if native is None else [batch.series.labels(r) for r in native.series_index]
    some = batch.exemplars
    exemplars = [] if some is None else [batch.series.labels(row) for row in some.series_index]
    return plain(batch), histograms, exemplars, *more


# --- remote write


@st.composite
def remote_writes(draw: st.DrawFn) -> bytes:
    whole = message_of(draw(st.lists(st.tuples(label_sets(), samples), min_size=1, max_size=5)))
    for series in whole.timeseries:
        if draw(st.booleans()):
            series.exemplars.add(value=1.0, timestamp=7).labels.add(name="trace", value="é")
        if draw(st.booleans()):
            series.histograms.add(timestamp=NOW, count_int=1, zero_count_int=1, sum=1.0)
    return bytes(whole.SerializeToString())


def compiled() -> CompiledDecoder:
    kernels = WALKS.ready()
    assert kernels is not None
    return CompiledDecoder(kernels, most_series=10_000, limits=USUAL_LIMITS)


def feed_compiled(decoder: CompiledDecoder, data: bytes) -> Brought:
    found = decoder.decode(np.frombuffer(data, np.uint8))
    if found is None:
        raise NovaqlError("given up")
    return brought(found.batch, found.metadata)


def feed_compiled_2(decoder: CompiledDecoder, data: bytes) -> Brought:
    found = decoder.decode_2(np.frombuffer(data, np.uint8))
    if found is None:
        raise NovaqlError("given up")
    return brought(found.batch, found.metadata)


def feed_plain(decoder: PlainDecoder, data: bytes) -> Brought:
    found = decoder.decode(data)
    return brought(found.batch, found.metadata)


def feed_both(decoder: RemoteWriteDecoder, data: bytes) -> Brought:
    found = decoder.decode_message(data)
    return brought(found.batch, found.metadata)


def of_compiled(decoder: CompiledDecoder) -> object:
    known = decoder._known
    tables = (known.texts, known.fields, known.labels_1, known.labels_2)
    held = [(table.count, table.used, sorted(table.slots.tolist())[-8:]) for table in tables]
    full = [int((table.slots >= 0).sum()) for table in tables]
    return held, full, len(known.strings), known.table.rows


def of_plain(decoder: PlainDecoder) -> object:
    return (
        len(decoder._known), len(decoder._known._number_of), len(decoder._numbers),
        len(decoder._names), dict(decoder._follower),
    )  # fmt: skip


# --- text, JSON lines, Influx, protobuf


def text_line(labels: dict[str, str], time: int, value: float) -> str:
    shown = {
        name: text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, text in labels.items()
    }
    name = shown.pop("__name__")
    inside = ",".join(f'{label}="{text}"' for label, text in shown.items())
    return f"{name}{{{inside}}} {value!r} {time}\n"


numbers = st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(st.tuples(label_sets(), times, numbers), min_size=1, max_size=5)
texts = rows.map(lambda some: "# TYPE up gauge\n" + "".join(text_line(*row) for row in some)).map(
    str.encode
)
openmetrics_texts = rows.map(
    lambda some: (
        "# TYPE up gauge\n"
        + "".join(
            text_line(labels, time // 1000, value) for labels, time, value in some
        )  # in seconds
        + "# EOF\n"
    )
).map(str.encode)
json_lines = rows.map(
    lambda some: "".join(
        json.dumps({"metric": labels, "values": [value], "timestamps": [time]}, **TIGHT) + "\n"
        for labels, time, value in some
    )
).map(str.encode)
TIGHT: dict[str, Any] = {"separators": (",", ":"), "ensure_ascii": False}
words = st.sampled_from(["a", "b", "cpu", "host"])
influx_lines = st.lists(
    st.tuples(words, st.dictionaries(words, words), st.dictionaries(words, numbers, min_size=1)),
    min_size=1,
    max_size=5,
).map(
    lambda some: "".join(
        f"{name}{''.join(f',{k}={v}' for k, v in tags.items())} "
        f"{','.join(f'{k}={v!r}' for k, v in fields.items())} {NOW}\n"
        for name, tags, fields in some
    ).encode()
)


@st.composite
def families(draw: st.DrawFn) -> bytes:
    made = []
    for labels, time, value in draw(rows):
        name = labels.pop("__name__")
        kind, content = draw(st.sampled_from([(COUNTER, "counter"), (GAUGE, "gauge")]))
        metric = {"timestamp_ms": time, content: {"value": value}, "labels": labels}
        made.append(family(name, kind, metric))
    return delimited(made)


def feed_text(parser: ExpositionParser, data: bytes) -> Brought:
    parser.start(NOW, openmetrics=False)
    with parser.all_or_nothing():
        batch = parser.feed(data if data.endswith(b"\n") else data + b"\n")
        parser.finish()
    return brought(batch, dict(parser.metadata))


def feed_openmetrics(parser: ExpositionParser, data: bytes) -> Brought:
    """Cut in two blocks; what lacks its end is refused after every line of it was read."""
    parser.start(NOW, openmetrics=True)
    first, newline, rest = data.partition(b"\n")
    with parser.all_or_nothing():
        batches = [parser.feed(first + newline), parser.feed(rest)] if rest else []
        parser.finish()
    return tuple(brought(batch) for batch in batches)


def feed_target(reader: TargetReader, data: bytes) -> Brought:
    batch, metadata = reader.read(data, "text/plain", NOW)
    return brought(batch, metadata)


def feed_json(parser: JsonLinesParser, data: bytes) -> Brought:
    return brought(parser.feed(data, default_time_ms=NOW))


def feed_influx(parser: InfluxParser, data: bytes) -> Brought:
    return brought(parser.feed(data, default_time_ms=NOW, precision="ms"))


def feed_protobuf(parser: ProtobufParser, data: bytes) -> Brought:
    parser.start(NOW)
    batch = parser.feed(data)
    parser.finish()
    return brought(batch, dict(parser.metadata))


def of_text(parser: ExpositionParser) -> object:
    walker = parser._walker
    walked = None
    if walker is not None:
        table = walker._texts
        walked = table.count, table.used, int((table.slots >= 0).sum())
        assert int(table.follower.max()) < table.count
    return walked or (0, 0, 0), len(parser._series), len(parser._series.known)


def exposition(*, openmetrics: bool = False) -> Callable[[], ExpositionParser]:
    return lambda: ExpositionParser(
        openmetrics=openmetrics, default_time_ms=NOW, limits=USUAL_LIMITS
    )


writes_2 = st.lists(st.tuples(label_sets(), samples), max_size=6).map(
    lambda sent: bytes(write_2_message(sent).SerializeToString())
)
DECODERS = {
    "remote write 2.0, compiled": Decoder(compiled, feed_compiled_2, of_compiled, writes_2),
    "remote write, compiled": Decoder(compiled, feed_compiled, of_compiled, remote_writes()),
    "remote write, plain": Decoder(PlainDecoder, feed_plain, of_plain, remote_writes()),
    "remote write": Decoder(
        RemoteWriteDecoder, feed_both, lambda d: of_plain(d._plain), remote_writes()
    ),
    "text": Decoder(exposition(), feed_text, of_text, texts),
    "OpenMetrics": Decoder(
        exposition(openmetrics=True), feed_openmetrics, of_text, openmetrics_texts,
    ),
    "a target": Decoder(
        lambda: TargetReader("http://x"), feed_target, lambda r: of_text(r._text), texts
    ),
    "JSON lines": Decoder(
        JsonLinesParser, feed_json, lambda p: (len(p._series), len(p._series.known)), json_lines
    ),
    "Influx": Decoder(
        InfluxParser, feed_influx, lambda p: (len(p._known), len(p._shapes)), influx_lines
    ),
}  # fmt: skip
FORGETFUL = {
    "protobuf": Decoder(
        lambda: ProtobufParser(default_time_ms=NOW), feed_protobuf, lambda _: None, families()
    )
}
"""These forget everything when a message is refused."""


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    pytest.importorskip("numba", reason="pip install 'novaql[fast]' brings numba")
    WALKS.prepare()
    if WALKS.ready() is None:
        pytest.skip("NOVAQL_COMPILED=off: run without it")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DECODERS, *FORGETFUL])
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_good_messages_mean_the_same_whatever_came_before(name: str, data: st.DataObject) -> None:
    tested = DECODERS.get(name) or FORGETFUL[name]
    decoder = tested.make()
    good = data.draw(st.lists(tested.messages, min_size=1, max_size=3))
    for message in data.draw(st.lists(st.sampled_from(good), min_size=1, max_size=6)):
        for _ in range(data.draw(st.integers(0, 2))):
            bad = data.draw(mutated(message))
            before = tested.remembers(decoder) if name in DECODERS else None
            try:
                tested.feed(decoder, bad)
            except NovaqlError:
                assert name in FORGETFUL or tested.remembers(decoder) == before
        assert tested.feed(decoder, message) == tested.feed(tested.make(), message)


def test_a_label_of_another_shape_loses_no_labels_of_later_messages() -> None:
    """A sender's key byte is 0x13 in place of 0x12: what it named until there was numbered, and the
    next texts were put over it."""
    good = message_of([({"__name__": "up", "instance": "x", "job": "node", "le": "0"}, [(NOW, 1)])])
    other = message_of([({"__name__": "cpu", "zone": "somewhere"}, [(NOW, 1)])])
    data = bytearray(good.SerializeToString())
    data[data.index(b"\x12\x04node")] = 0x13
    decoder = RemoteWriteDecoder()
    with pytest.raises(NovaqlError):
        decoder.decode_message(bytes(data))
    for message in (other, good):
        found = decoder.decode_message(message.SerializeToString()).batch
        (expected,) = message.timeseries
        assert found.series.labels(int(found.series_index[0])) == {
            label.name: label.value for label in expected.labels
        }


@pytest.mark.parametrize("fault", ["time", "histogram", "exemplar"])
def test_a_message_refused_for_what_is_behind_its_labels_teaches_nothing(fault: str) -> None:
    message = message_of([({"__name__": "up", "job": "new"}, [(NOW, 1.0)])])
    (series,) = message.timeseries
    if fault == "time":
        series.samples.add(timestamp=2**62 + 1, value=1.0)
    elif fault == "exemplar":
        series.exemplars.add(value=1.0, timestamp=2**62 + 1)
    else:
        series.histograms.add(timestamp=NOW, schema=77)
    data = message.SerializeToString()
    for name in ("remote write, compiled", "remote write, plain"):
        tested = DECODERS[name]
        decoder = tested.make()
        before = tested.remembers(decoder)
        with pytest.raises(NovaqlError):
            tested.feed(decoder, data)
        assert tested.remembers(decoder) == before


def test_names_of_refused_messages_do_not_count_against_good_ones() -> None:
    limits = LabelLimits(names=20)
    bad, good = (
        message_of([({"__name__": "m", **{f"{of}{n}": "x" for n in range(18)}}, [(NOW, 1.0)])])
        for of in ("bad", "good")
    )
    for series in bad.timeseries:
        series.samples.add(timestamp=2**62 + 1, value=1.0)
    decoder = PlainDecoder(limits=limits)
    for _ in range(5):
        with pytest.raises(NovaqlError):
            decoder.decode(bad.SerializeToString())
    assert len(decoder.decode(good.SerializeToString()).batch) == 1


def test_influx_lines_that_are_left_out_teach_nothing() -> None:
    parser, problems = InfluxParser(limits=LabelLimits(value_bytes=10)), LineProblems()
    block = b"m,a=1 v=1 1\nm,a=2 v=1 99999999999999999999999\nm,a=a_long_long_value v=1 1\n"
    found = parser.feed(block, default_time_ms=NOW, problems=problems)
    assert (len(found), problems.count, len(parser._known)) == (1, 2, 1)


def test_a_field_given_twice_moves_no_values() -> None:
    """The values behind it went to the series before them."""
    block = b"m a=1,a=2 1\nm b=3 1\nm c=4 1\n"
    found = InfluxParser().feed(block, default_time_ms=NOW, precision="ms")
    values = {
        found.series.labels(row)["__name__"]: value
        for row, value in zip(found.series_index.tolist(), found.values.tolist(), strict=True)
    }
    assert values == {"m_a": 2.0, "m_b": 3.0, "m_c": 4.0}


@pytest.mark.slow
def test_two_threads_one_of_which_sends_nonsense() -> None:
    """Good messages of one thread are whole while another thread's are refused."""
    decoder = RemoteWriteDecoder()
    problems: list[object] = []
    stop = threading.Event()

    def broken() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            made = message_of([({"__name__": f"n{number}", "job": f"j{number}"}, [(NOW, 1)])])
            data = bytearray(made.SerializeToString())
            data[data.index(b"\x12", 4)] = 0x13
            try:
                decoder.decode_message(bytes(data))
            except NovaqlError:
                continue
            problems.append(bytes(data))

    thread = threading.Thread(target=broken)
    thread.start()
    try:
        for number in range(300):
            labels = {"__name__": "m", "job": f"job-{number}", "zone": f"{number % 7}"}
            for _ in range(2):
                message = message_of([(labels, [(NOW, float(number))])]).SerializeToString()
                batch = decoder.decode_message(message).batch
                assert batch.series.labels(int(batch.series_index[0])) == labels
    finally:
        stop.set()
        thread.join()
    assert problems == []
