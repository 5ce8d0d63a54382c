"""Large queries let small ones by, and come to their end all the same."""

from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.requests import Request
from starlette.types import Message

from novaql import Cancellation
from novaql.server.pools import precedence
from novaql.server.pools.precedence import (
    MOST_WAIT_S,
    FairCancellation,
    SmallQueryGauge,
    YieldingCancellation,
)
from novaql.server.pools.query_workers import QueryWorkers, TooLargeHere


class Clock:
    """Time that passes where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class NeverDone(SmallQueryGauge):
    """Small queries one after the other."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.waited = 0.0
        self.enter()

    def wait(self, seconds: float) -> None:
        self._clock.now += seconds
        self.waited += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(precedence, "monotonic", clock)
    return clock


@pytest.mark.parametrize("piece_s", [0.0005, 0.004, 0.1])
def test_it_waits_no_longer_than_it_computes(clock: Clock, piece_s: float) -> None:
    small = NeverDone(clock)
    large = YieldingCancellation(small)
    worked = 0.0
    for _ in range(200):
        assert not large.cancelled
        clock.now += piece_s
        worked += piece_s
        assert small.waited <= worked + MOST_WAIT_S
    assert small.waited >= min(0.9 * worked, 199 * MOST_WAIT_S * 0.99)


def test_it_does_not_wait_for_nobody(clock: Clock) -> None:
    small = NeverDone(clock)
    large = YieldingCancellation(small)
    small.leave()
    for _ in range(10):
        assert not large.cancelled
        clock.now += 1
    assert small.waited == 0


def test_it_goes_on_when_the_last_small_one_has_ended(clock: Clock) -> None:
    small = SmallQueryGauge()
    large = YieldingCancellation(small)
    assert not large.cancelled
    clock.now += 10
    small.enter()
    small.enter()
    small.leave()
    assert small.at_work()
    waiting = threading.Thread(target=small.wait, args=(60,))
    waiting.start()
    small.leave()
    waiting.join(30)
    assert not waiting.is_alive()
    assert not small.at_work()
    large.cancel()
    assert large.cancelled


def test_small_ones_are_known_while_they_run_and_large_ones_let_them_by() -> None:
    async def patient() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> list[object]:
        workers = QueryWorkers(threads=1, queue=3)
        request = Request({"type": "http"}, patient)
        known = workers.small_queries
        begun, go_on = threading.Event(), threading.Event()

        def small(cancellation: Cancellation) -> object:
            begun.set()
            assert go_on.wait(30)
            return type(cancellation), known.at_work()

        def too_large(_: Cancellation) -> object:
            raise TooLargeHere

        def large(cancellation: Cancellation) -> object:
            return type(cancellation), known.at_work()

        first = asyncio.ensure_future(workers.run(request, small, timeout_s=60))
        await asyncio.to_thread(begun.wait, 30)
        assert known.at_work()
        go_on.set()
        found = [await first]
        found.append(await workers.run(request, too_large, timeout_s=60, large=large))
        with pytest.raises(ZeroDivisionError):
            await workers.run(request, lambda _: 1 // 0, timeout_s=60)
        assert not known.at_work()
        assert workers.running == 0
        workers.close()
        return found

    assert asyncio.run(run()) == [(FairCancellation, True), (YieldingCancellation, False)]
