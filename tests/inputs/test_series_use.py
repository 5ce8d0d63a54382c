"""Readers clear their series once most of them are no longer sent, and not before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import pytest

from novaql.inputs import series_use
from novaql.inputs.compiled.compiling import WALKS
from novaql.inputs.label_limits import USUAL_LIMITS
from novaql.inputs.remote_write.compiled_decoder import CompiledDecoder
from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.inputs.remote_write.plain_decoder import PlainDecoder
from novaql.inputs.series_use import FEW_SERIES, STOPPED_S, SeriesUse
from novaql.inputs.text.exposition import ExpositionParser
from novaql.tsdb.runtime.compiled import Functions, Mode
from tests.support.messages.remote_write_messages import message_of

MANY = FEW_SERIES + 1000


class Clock:
    """The time of readers: seconds that a test sets."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    fake = Clock()
    with mock.patch.object(series_use, "time", fake):
        yield fake


@pytest.fixture(scope="module")
def kernels() -> Functions:
    pytest.importorskip("numba", reason="pip install 'novaql[fast]' brings numba")
    WALKS.prepare()
    found = WALKS.ready()
    if found is None:
        pytest.skip("NOVAQL_COMPILED=off: run without it")
    return found


def message(first: int, last: int) -> bytes:
    series = [({"__name__": "m", "i": f"{number}"}, [(1000, 1.0)]) for number in range(first, last)]
    return bytes(message_of(series).SerializeToString())


def minutes(clock: Clock, send: Callable[[], object]) -> None:
    """Send until what else was sent before has stopped."""
    for _ in range(int(STOPPED_S / 60) + 2):
        clock.now += 60.0
        send()


def test_series_that_are_sent_stay(clock: Clock) -> None:
    use = SeriesUse()
    every = np.arange(MANY)
    for half in (every[: MANY // 2 + 1], every[MANY // 2 :]) * 30:
        clock.now += STOPPED_S / 3
        use.note(half)
        assert not use.mostly_stopped(MANY)


def test_most_have_stopped(clock: Clock) -> None:
    use = SeriesUse()
    use.note(np.arange(MANY))
    minutes(clock, lambda: use.note(np.arange(MANY // 2 - 1)))
    assert not use.mostly_stopped(FEW_SERIES)
    assert use.mostly_stopped(MANY)
    assert not use.mostly_stopped(MANY)  # it has looked within this minute
    minutes(clock, lambda: use.note(np.arange(1)))
    assert use.mostly_stopped(MANY)


def test_after_a_pause_of_the_sender_its_series_are_known(clock: Clock) -> None:
    use = SeriesUse()
    use.note(np.arange(MANY))
    clock.now += 100 * STOPPED_S
    use.note(np.arange(10))
    assert not use.mostly_stopped(MANY)


@pytest.mark.slow
def test_a_compiled_decoder_clears_series_that_have_stopped(
    clock: Clock, kernels: Functions
) -> None:
    decoder = CompiledDecoder(kernels, most_series=10 * MANY, limits=USUAL_LIMITS)

    def rows(data: bytes) -> int:
        found = decoder.decode(np.frombuffer(data, np.uint8))
        assert found is not None
        return found.batch.series.rows

    assert rows(message(0, MANY)) == MANY
    assert rows(message(0, 10)) == MANY
    minutes(clock, lambda: rows(message(0, 10)))
    assert rows(message(0, 10)) == 10
    assert rows(message(5, 20)) == 20


@pytest.mark.slow
def test_a_plain_decoder_clears_series_that_have_stopped(clock: Clock) -> None:
    decoder = PlainDecoder()
    decoder.decode(message(0, MANY))
    decoder.decode(message(0, 10))
    assert len(decoder._known) == MANY
    minutes(clock, lambda: decoder.decode(message(0, 10)))
    assert len(decoder._known) == 10


@pytest.mark.slow
def test_a_text_parser_clears_series_that_have_stopped(clock: Clock) -> None:
    parser = ExpositionParser(default_time_ms=1000, openmetrics=False)

    def known(count: int) -> int:
        parser.start(1000, openmetrics=False)
        parser.feed(b"".join(b'm{i="%d"} 1\n' % number for number in range(count)))
        return len(parser._series.known)

    assert known(MANY) == known(10) == MANY
    minutes(clock, lambda: known(10))
    assert known(10) == 10


@pytest.mark.usefixtures("kernels")
def test_the_plain_decoder_has_no_series_once_compiled_code_reads() -> None:
    decoder = RemoteWriteDecoder()
    with WALKS.forced(Mode.OFF):
        decoder.decode_message(message(0, 100))
    assert len(decoder._plain._known) == 100
    decoder.decode_message(message(0, 100))
    assert len(decoder._plain._known) == 0


def test_a_replaced_decoder_is_freed_without_a_collection() -> None:
    """The first messages of a server fill the plain decoder, which the compiled one replaces."""
    decoder = PlainDecoder()
    decoder.decode(message(0, 10))
    known = weakref.ref(decoder._known)
    gc.collect()
    gc.disable()
    try:
        del decoder
        assert known() is None
    finally:
        gc.enable()
