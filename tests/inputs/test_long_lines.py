"""The time to read a line grows with its length, not with its square, also if it is invalid."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest

from novaql.errors import InputError
from novaql.inputs import ExpositionParser, InfluxParser

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
