"""Readers bound the bytes of the series that they cache, not only their number."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from novaql.errors import InputError
from novaql.inputs import ExpositionParser, InfluxParser, JsonLinesParser, known_series
from novaql.inputs.label_limits import LabelLimits
from novaql.inputs.remote_write.plain_decoder import PlainDecoder
from tests.support.messages.remote_write_messages import message_of

MOST = 1 << 20
LONG = "x" * 10_000
Reader = Callable[[list[str]], object]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_series, "MOST_OCTETS", MOST)


def text() -> Reader:
    parser = ExpositionParser(openmetrics=False, default_time_ms=0)

    def read(values: list[str]) -> None:
        parser.start(0, openmetrics=False)
        parser.feed("".join(f'm{{i="{value}"}} 1 1000\n' for value in values).encode())

    return read


def influx() -> Reader:
    parser = InfluxParser()

    def read(values: list[str]) -> None:
        lines = "".join(f"m,i={value} v=1 1000\n" for value in values)
        parser.feed(lines.encode(), default_time_ms=0)

    return read


def json_lines() -> Reader:
    parser = JsonLinesParser()
    shape = '{"metric":{"__name__":"m","i":"%s"},"values":[1],"timestamps":[1000]}\n'

    def read(values: list[str]) -> None:
        parser.feed("".join(shape % value for value in values).encode(), default_time_ms=0)

    return read


def remote_write() -> Reader:
    decoder = PlainDecoder()

    def read(values: list[str]) -> None:
        series = [({"__name__": "m", "i": value}, [(1000, 1.0)]) for value in values]
        decoder.decode(message_of(series).SerializeToString())

    return read


@pytest.mark.parametrize("make", [text, influx, json_lines, remote_write])
@pytest.mark.parametrize("long", [LONG, "é" + LONG], ids=["ascii", "wide"])
def test_long_labels_are_not_cached_without_end(make: Callable[[], Reader], long: str) -> None:
    read = make()
    read(["first"])
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for block in range(60):  # 12 MiB of labels
            read([f"{block}-{number}-{long}" for number in range(20)])
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 3 * MOST


def is_full(parser: ExpositionParser) -> bool:
    return parser._series.known.is_full


def test_series_of_rejected_text_do_not_count() -> None:
    parser = ExpositionParser(
        openmetrics=False, default_time_ms=0, limits=LabelLimits(value_bytes=20_000)
    )
    for number in range(200):  # 2 MiB
        with pytest.raises(InputError, match="limit"):
            parser.feed(f'm{{i="{number}{LONG}"}} 1\nm{{i="{LONG * 3}"}} 1\n'.encode())
    assert not is_full(parser)
    for number in range(60):
        parser.feed(f'm{{i="{number}{LONG}"}} 1\n'.encode())
    assert is_full(parser)
    parser.start(0, openmetrics=False)
    assert not is_full(parser)
