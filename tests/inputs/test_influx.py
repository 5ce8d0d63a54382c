"""Influx line protocol: what lines mean, the quick way against the slow one, and lines at fault."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.text.influx import InfluxParser, LineProblems, precision_of
from novaql.inputs.text.influx_line import InfluxProblem, read_line
from novaql.tsdb.model.samples import Batch
from tests.support.generators.fuzzing import EXAMPLES
from tests.support.messages.message_mutations import mutated
from tests.support.store.batches import bits

NOW = 1_700_000_000_000
Rows = list[tuple[dict[str, str], int, bytes]]


def rows(batch: Batch) -> Rows:
    return [
        (batch.series.labels(row), time, bits(value))
        for row, time, value in zip(
            batch.series_index.tolist(),
            batch.timestamps.tolist(),
            batch.values.tolist(),
            strict=True,
        )
    ]


def slowly(block: bytes, extra: dict[str, str] | None = None) -> Rows:
    """Line by line, nanoseconds."""
    out: Rows = []
    for text in block.replace(b"\r\n", b"\n").split(b"\n"):
        if not text.strip() or text.strip().startswith(b"#"):
            continue
        line = read_line(text)
        time = NOW if line.time is None else line.time // 1_000_000
        for labels, value in line.series(extra or {}):
            kept = {name: labels[name] for name in sorted(labels, key=str.encode)}
            out.append((kept, time, bits(value)))
    return out


def escaped(text: str, special: str) -> str:
    return "".join("\\" + c if c in special else c for c in text)


texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='\\#"\u2028\u2029\x85'),
    min_size=1,
    max_size=6,
).filter(lambda text: text.strip() == text and "__name__" not in text)
numbers = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers(-(2**63), 2**63 - 1).map("{}i".format)
    | st.integers(0, 2**64 - 1).map("{}u".format)
)
values = numbers | st.sampled_from(["t", "F", "true", "FALSE", '"text"', '"a \\" b, c=d"', '"7"'])


@st.composite
def influx_lines(draw: st.DrawFn) -> str:
    name = escaped(draw(texts), ", ")
    tags = draw(st.dictionaries(texts, texts, max_size=3))
    fields = draw(st.dictionaries(texts, values, min_size=1, max_size=4))
    time = draw(st.none() | st.integers(-(2**62), 2**62))
    head = name + "".join(
        f",{escaped(k, ',= ')}={escaped(v, ',= ')}" for k, v in sorted(tags.items())
    )
    body = ",".join(f"{escaped(k, ',= ')}={v}" for k, v in fields.items())
    return f"{head} {body}" + ("" if time is None else f" {time}")


blocks = st.lists(influx_lines() | st.sampled_from(["", "# a comment"]), max_size=6).map(
    lambda lines: "".join(f"{line}\n" for line in lines).encode()
)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(blocks, min_size=1, max_size=3), st.sampled_from([{}, {"db": "x"}]))
def test_the_quick_way_means_what_the_slow_one_does(
    some: list[bytes], extra: dict[str, str]
) -> None:
    parser = InfluxParser()
    for block in [*some, *some]:
        assert rows(parser.feed(block, default_time_ms=NOW, extra=extra)) == slowly(block, extra)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(blocks, st.data())
def test_broken_lines_are_left_out_or_refused(block: bytes, data: st.DataObject) -> None:
    bad = data.draw(mutated(block)) + b"\n"
    parser, problems = InfluxParser(), LineProblems()
    found = parser.feed(bad, default_time_ms=NOW, problems=problems)
    wanted: Rows = []
    wrong = 0
    for line in bad.replace(b"\r\n", b"\n").split(b"\n"):
        try:
            wanted += slowly(line)
        except InfluxProblem:
            wrong += 1
        except OverflowError:
            wrong += 1
    if problems.count == wrong:
        assert rows(found) == wanted
    assert problems.count >= wrong  # a time may be out of range, too
    if problems.count:
        with pytest.raises(InputError, match="text:"):
            InfluxParser().feed(bad, default_time_ms=NOW)
    assert rows(parser.feed(block, default_time_ms=NOW)) == slowly(block)


def test_one_line() -> None:
    block = (
        b"cpu\\ load,host=a\\,b,os=l\\=x "
        b'user=1.5,n=-3i,on=T,why="x \\" y",z="12" 1700000000123456789\n'
    )
    found = rows(InfluxParser().feed(block, default_time_ms=NOW, extra={"db": "d", "os": "other"}))
    assert [(labels["__name__"], time) for labels, time, _ in found] == [
        ("cpu load_user", 1_700_000_000_123),
        ("cpu load_n", 1_700_000_000_123),
        ("cpu load_on", 1_700_000_000_123),
        ("cpu load_z", 1_700_000_000_123),
    ]
    assert found[0][0] == {
        "__name__": "cpu load_user",
        "db": "d",
        "host": "a,b",
        "os": "l=x",
    }
    assert [value for *_, value in found] == [bits(1.5), bits(-3.0), bits(1.0), bits(12.0)]


@pytest.mark.parametrize(
    ("precision", "time", "ms"),
    [
        ("ns", 1_999_999, 1),
        ("ns", -1, -1),
        ("us", 1_999, 1),
        ("ms", 7, 7),
        ("s", 7, 7_000),
        ("m", 7, 420_000),
        ("h", -7, -25_200_000),
    ],
)
def test_precisions(precision: str, time: int, ms: int) -> None:
    for line in (f"m v=1 {time}\n", f'm v=1,s="x" {time}\n'):
        found = InfluxParser().feed(line.encode(), default_time_ms=NOW, precision=precision)
        assert found.timestamps.tolist() == [ms]


def test_spellings_of_precisions() -> None:
    assert [precision_of(text) for text in ("", "n", "u", "µ", "ms")] == [
        "ns",
        "ns",
        "us",
        "us",
        "ms",
    ]
    with pytest.raises(InputError, match="'days' is none of"):
        precision_of("days")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b",a=b v=1", "a measurement is missing"),
        (b"m", "fields are missing"),
        (b"m,a v=1", "a tag has no value"),
        (b"m,a= v=1", "a tag has no value"),
        (b"m,=b v=1", "a tag has no name"),
        (b"m,a=b,a=c v=1", "the tag a is given twice"),
        (b"m =1", "a field has no name"),
        (b"m v", "a field has no value"),
        (b"m v=", "'' is no number"),
        (b"m v=1.2.3", "'1.2.3' is no number"),
        (b"m v=1b=2", "'1b=2' is no number"),
        (b"m v=0x10", "is no number"),
        (b"m v=1.5i", "'1.5i' is no number"),
        (b"m v=1e400", "'1e400' is too large"),
        (b"m v=nan", "is no number"),
        (b"m v=1,", "fields are missing"),
        (b'm v="open', "a text has no closing quote"),
        (b"m v=1 soon", "'soon' is no time"),
        (b"m v=1 1 2", "'1 2' is no time"),
        (b"m v=1 99999999999999999999", "out of range"),
        (b"m\xff v=1", "this is not valid UTF-8"),
    ],
)
def test_lines_at_fault_are_named(line: bytes, reason: str) -> None:
    block = b"ok v=1 5\n" + line + b"\nok v=2 6\n"
    problems = LineProblems()
    found = InfluxParser().feed(block, default_time_ms=NOW, precision="ms", problems=problems)
    assert found.values.tolist() == [1.0, 2.0]
    assert problems.count == 1
    assert problems.first[0].startswith("line 2: ")
    assert reason in problems.first[0]
    with pytest.raises(InputError, match="text:2: ") as caught:
        InfluxParser().feed(block, default_time_ms=NOW)
    assert reason in str(caught.value)


@pytest.mark.parametrize("precision", ["s", "m", "h"])
def test_the_least_number_of_64_bits_is_no_time(precision: str) -> None:
    with pytest.raises(InputError, match=r"text:1: .*out of range"):
        InfluxParser().feed(b"m v=1 %d\n" % -(2**63), default_time_ms=NOW, precision=precision)


def test_of_two_lines_with_one_time_the_later_comes_last() -> None:
    block = b'm v=1,s="slow" 7\nm v=2 7\nm v=3,s="slow" 7\n'
    found = InfluxParser().feed(block, default_time_ms=NOW, precision="ms")
    assert found.values.tolist() == [1.0, 2.0, 3.0]


def test_limits() -> None:
    parser = InfluxParser(limits=LabelLimits(labels=3, value_bytes=20, names=3))
    problems = LineProblems()
    found = parser.feed(
        b"m,a=1,b=2 v=1\nm,a=1,b=2,c=3 v=1\nm,a=" + b"x" * 21 + b" v=1\n",
        default_time_ms=NOW,
        problems=problems,
    )
    assert (len(found), problems.count) == (1, 2)
    with pytest.raises(LimitExceeded, match="different label names"):
        parser.feed(b"m,a=1,b=2 v=1\nm,c=1,d=2 v=1\n", default_time_ms=NOW)


def test_a_known_line_is_found_by_its_shape() -> None:
    parser = InfluxParser()
    block = b"".join(b"m,i=%d a=1,b=2 %d\n" % (i, i) for i in range(50))
    tables = {id(parser.feed(block, default_time_ms=NOW).series) for _ in range(3)}
    assert len(tables) == 1
    assert np.unique(parser.feed(block, default_time_ms=NOW).series_index).size == 100


PARTS = {
    "a": "a",
    "\\,": ",",
    "\\=": "=",
    "\\ ": " ",
    "\\a": "\\a",
    "\\\\a": "\\\\a",
    "\\\\,": "\\,",
    "\\\\=": "\\=",
    "\\\\ ": "\\ ",
}
"""What names and values consist of, and its meaning: a backslash escapes three characters."""
names = st.lists(st.sampled_from(list(PARTS)), min_size=1, max_size=8)


@given(names, names, names, names)
def test_escapes(measurement: list[str], tag: list[str], value: list[str], key: list[str]) -> None:
    written, meant = zip(
        *(("".join(n), "".join(PARTS[one] for one in n)) for n in (measurement, tag, value, key)),
        strict=True,
    )
    line = read_line("{},{}={} {}=1 2".format(*written).encode())
    assert (line.measurement, dict(line.tags), dict(line.fields)) == (
        meant[0],
        {meant[1]: meant[2]},
        {meant[3]: 1.0},
    )
