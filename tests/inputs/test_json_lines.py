"""JSON lines: what they mean, the quick way against the slow one, and lines at fault."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.text.json_lines import JsonLinesParser
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS
from tests.support.generators.fuzzing import EXAMPLES
from tests.support.messages.message_mutations import mutated
from tests.support.store.batches import Plain, bits, label_sets, plain

NOW = 1_700_000_000_000
times = st.integers(FIRST_SAMPLE_MS, LAST_SAMPLE_MS) | st.integers(NOW, NOW + 10_000)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
values = numbers | st.sampled_from([None, "NaN", "Infinity", "-Infinity"])


@st.composite
def lines(draw: st.DrawFn) -> dict[str, Any]:
    labels = draw(label_sets())
    samples = draw(st.lists(st.tuples(values, times), max_size=5))
    if draw(st.booleans()):
        return {
            "metric": labels,
            "values": [value for value, _ in samples],
            "timestamps": [time for _, time in samples],
        }
    value, time = draw(st.tuples(values, times))
    line: dict[str, Any] = {"metric": labels, "value": value, "timestamp": time}
    if draw(st.booleans()):
        name = labels.pop("__name__")
        line = {"name": name, "labels": line.pop("metric"), **line}
    return line


def said(some: list[dict[str, Any]]) -> Plain:
    texts = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
    out: Plain = {}
    for line in some:
        labels = dict(line.get("metric", line.get("labels", {})))
        if "name" in line:
            labels["__name__"] = line["name"]
        found = zip(
            line.get("values", [line.get("value")]),
            line.get("timestamps", [line.get("timestamp")]),
            strict=True,
        )
        for value, time in found:
            if value is not None:
                key = tuple(sorted((k, v) for k, v in labels.items() if v))
                out.setdefault(key, {})[time] = bits(float(texts.get(value, value)))
    return out


def whole(text: str) -> int | float:
    """A whole number of JSON, of which -0 is not the same as 0."""
    return -0.0 if text == "-0" else int(text)


def text_of(some: list[dict[str, Any]], *, tight: bool) -> bytes:
    separators = (",", ":") if tight else (", ", ": ")
    return "".join(
        json.dumps(line, separators=separators, ensure_ascii=False) + "\n" for line in some
    ).encode()


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(lines(), max_size=5), st.booleans())
def test_lines_mean_what_they_say(some: list[dict[str, Any]], tight: bool) -> None:
    parser = JsonLinesParser()
    for _ in range(2):
        found = parser.feed(text_of(some, tight=tight), default_time_ms=NOW)
        assert plain(found) == said(some)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(lines(), max_size=3), st.data())
def test_broken_lines_are_refused_or_mean_what_their_json_says(
    some: list[dict[str, Any]], data: st.DataObject
) -> None:
    bad = data.draw(mutated(text_of(some, tight=True))) + b"\n"
    parser = JsonLinesParser()
    found = None
    with suppress(InputError):
        found = plain(parser.feed(bad, default_time_ms=NOW))
    if found is not None:
        objects = [json.loads(line, parse_int=whole) for line in bad.split(b"\n") if line.strip()]
        sound = [o for o in objects if "timestamp" in o or "timestamps" in o]
        if len(sound) == len(objects):
            assert found == said(objects)
    assert plain(parser.feed(text_of(some, tight=True), default_time_ms=NOW)) == said(some)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(noise: bytes) -> None:
    try:
        found = JsonLinesParser().feed(noise + b"\n", default_time_ms=NOW)
    except InputError:
        return
    assert len(found) <= len(noise)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "one JSON object"),
        ("{", "line 1"),
        ('{"metric":{},"value":1}', "no labels"),
        ('{"metric":{"a":""},"value":1}', "no labels"),
        ('{"metric":{"":"x"},"value":1}', "a label has no name"),
        ('{"metric":{"a":1},"value":1}', "an object of texts"),
        ('{"metric":{"a":"b"}}', "there are no values"),
        ('{"metric":{"a":"b"},"value":1,"labls":{}}', "no key 'labls'"),
        ('{"metric":{"a":"b"},"values":[1,2],"timestamps":[1]}', "2 values and 1 timestamps"),
        ('{"metric":{"a":"b"},"values":[1,2],"timestamps":3}', "are lists"),
        ('{"metric":{"a":"b"},"values":["x"],"timestamps":[3]}', "'x' is no value"),
        ('{"metric":{"a":"b"},"values":[true],"timestamps":[3]}', "neither a number nor null"),
        ('{"metric":{"a":"b"},"values":[1],"timestamps":[3.5]}', "whole numbers"),
        ('{"metric":{"a":"b"},"values":[1],"timestamps":[1e3]}', "whole numbers"),
        ('{"metric":{"a":"b"},"values":[1],"timestamps":["NaN"]}', "whole numbers"),
        ('{"metric":{"a":"b"},"values":[1],"timestamps":[9223372036854775807]}', "out of range"),
        ('{"metric":{"a":"b"},"value":1.,"timestamp":1}', "decimal point"),
        ('{"metric":{"a":"b"},"values":[1,,2],"timestamps":[1,2,3]}', "line 1"),
        ("[" * 100_000, "line 1"),
        ('{"metric":' * 5_000, "line 1"),
    ],
)
def test_lines_at_fault_are_named(line: str, reason: str) -> None:
    good = '{"metric":{"a":"b"},"value":1,"timestamp":1}\n'
    with pytest.raises(InputError, match="text:2: ") as caught:
        JsonLinesParser().feed((good + line + "\n" + good).encode(), default_time_ms=NOW)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        '{"metric":{"a":"x-0"},"values":[-0,0,-0.0,1e-0,-0],"timestamps":[1,2,3,4,5]}',
        '{"metric": {"a": "x-0"}, "values": [-0, 0, -0.0, 1e-0, -0],'
        ' "timestamps": [1, 2, 3, 4, 5]}',
        '{"values":[-0,0,-0.0,1e-0,-0,null],"timestamps":[1,2,3,4,5,6],"labels":{"a":"x-0"}}',
    ],
)
def test_zeros_keep_their_sign(line: str) -> None:
    found = plain(JsonLinesParser().feed((line + "\n").encode(), default_time_ms=NOW))
    zeros = {1: bits(-0.0), 2: bits(0.0), 3: bits(-0.0), 4: bits(1.0), 5: bits(-0.0)}
    assert found == {(("a", "x-0"),): zeros}


@pytest.mark.parametrize("line", ['{"name":"-0","value":-0}', '{"name": "-0", "value": -0}'])
def test_a_single_zero_keeps_its_sign(line: str) -> None:
    found = plain(JsonLinesParser().feed((line + "\n").encode(), default_time_ms=NOW))
    assert found == {(("__name__", "-0"),): {NOW: bits(-0.0)}}


def test_a_value_without_a_time_is_of_now() -> None:
    found = JsonLinesParser().feed(b'{"name":"m","value":2}\n', default_time_ms=NOW)
    assert plain(found) == {(("__name__", "m"),): {NOW: bits(2.0)}}


def test_limits() -> None:
    parser = JsonLinesParser(limits=LabelLimits(labels=2, series=2))
    line = '{"metric":{%s},"value":1,"timestamp":1}\n'
    with pytest.raises(InputError, match="has 3 labels"):
        parser.feed((line % '"a":"1","b":"1","c":"1"').encode(), default_time_ms=NOW)
    three = "".join(line % f'"a":"{i}"' for i in range(3))
    with pytest.raises(LimitExceeded, match="more than 2 series"):
        parser.feed(three.encode(), default_time_ms=NOW)
