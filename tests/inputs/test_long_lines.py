"""The time to read a line grows with its length, not with its square, also if it is invalid."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest

from novaql.errors import InputError
from novaql.inputs import ExpositionParser, InfluxParser
from novaql.inputs.label_limits import NO_LIMITS, LabelLimits

LONG = 200_000


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "line",
    [
        b"m{" + b"a" * LONG + b"} 1",
        b"m{" + b"a" * LONG + b'="x",1} 1',
        b"m " + b"1" * LONG + b"x",
        b"m" + b" " * LONG + b"x",
    ],
    ids=["name", "names", "digits", "blanks"],
)
def test_invalid_text(line: bytes) -> None:
    parser = ExpositionParser(openmetrics=False, default_time_ms=0)
    with pytest.raises(InputError):
        parser.feed(line + b"\n")


QUOTED = b"x" * LONG, b"}" + b"x" * LONG, b"\\n" * (LONG // 2), b'\\"' * (LONG // 2), b"# {" * LONG


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "line",
    [
        b'm{a="%s"} 1',
        b'{"m","%s"="}"} 1',
        b'{"%s}",a="}"} 1',
        b'm{a="}",b="%s} 1',
        b'm_total{a="}"} 1 # {a="%s"} 1',
        b'm_total{a="}"} 1 # {a="%s} 1',
        b'# HELP "%s" x',
        b'# HELP "%s x',
    ],
)
@pytest.mark.parametrize("quoted", QUOTED, ids=["letters", "brace", "escapes", "quotes", "signs"])
def test_memory(line: bytes, quoted: bytes) -> None:
    """The stack of a regular expression took 225 bytes for each character."""
    parser = ExpositionParser(openmetrics=True, default_time_ms=0)
    parser.feed(b'm{a="}"} 1\n')
    text = line % quoted + b"\n"
    tracemalloc.start()
    try:
        with suppress(InputError):
            parser.feed(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(text)


@pytest.mark.usefixtures("soon")
def test_what_looks_like_many_exemplars() -> None:
    parser = ExpositionParser(openmetrics=True, default_time_ms=0)
    batch = parser.feed(b'm{a="' + b" # {" * (LONG // 4) + b'",b="}"} 1\n')

    assert batch.values.tolist() == [1.0]
    assert parser.exemplars == 0


@pytest.mark.parametrize(
    ("line", "exemplars"),
    [
        (b'm 1 # {a="b"} 2 3', 1),
        (b'm 1 # {a="b # {"} 2', 1),
        (b'm{a="x"} 1 2 # {} 1', 1),
    ],
)
def test_exemplars_are_counted(line: bytes, exemplars: int) -> None:
    parser = ExpositionParser(openmetrics=True, default_time_ms=0)
    parser.feed(line + b"\n")
    assert parser.exemplars == exemplars


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("text", [b"%sx", b'"%sx"', b"%s.x", b"%si1"])
def test_long_numbers_of_influx(text: bytes) -> None:
    parser = InfluxParser()
    line = b"m v=1,w=" + text % (b"1" * LONG) + b" 1000\n"
    if text.startswith(b'"'):
        assert parser.feed(line, default_time_ms=0).values.tolist() == [1.0]
        return
    with pytest.raises(InputError):
        parser.feed(line, default_time_ms=0)


@pytest.mark.parametrize("make", [ExpositionParser, InfluxParser])
def test_a_line_has_a_limited_length(make: type[ExpositionParser | InfluxParser]) -> None:
    """Files have no such limit. The number in the message is that of the line in the text."""
    limits = LabelLimits(name_bytes=10, value_bytes=4 << 20)
    line = b'm{a="' if make is ExpositionParser else b"m,a="
    behind = b'"} 1\n' if make is ExpositionParser else b" v=1\n"
    fits, long = (
        line + b"x" * (size - len(line) - len(behind)) + behind
        for size in (4 << 20, limits.line_bytes + 1)
    )

    def read(text: bytes, limits: LabelLimits) -> int:
        if make is ExpositionParser:
            parser = ExpositionParser(openmetrics=False, default_time_ms=0, limits=limits)
            return len(parser.feed(text).values)
        return len(InfluxParser(limits=limits).feed(text, default_time_ms=0).values)

    assert read(2 * fits, limits) == 2
    assert read(long, NO_LIMITS) == 1
    message = f"text:2: the line has {len(long)} bytes, the limit is {limits.line_bytes}"
    with pytest.raises(InputError, match=message):
        read(fits + long, limits)
