"""Of each tenant so many young requests are under way at one time; the others wait in turn."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Coroutine
from typing import Any

from novaql.server.auth.starts import YOUNG_S, Starts

_PATIENCE_S = 30.0


def run(look: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(look, _PATIENCE_S))


class Requests:
    """Requests that last until they are ended, and are young for longer than a test takes.

    log  their tenants, in the order in which they began
    """

    def __init__(self, most: int, young_s: float = 2 * _PATIENCE_S) -> None:
        self.starts = Starts(most=most, young_s=young_s)
        self.log: list[str] = []
        self._over: list[asyncio.Event] = []

    def come(self, tenant: str, count: int = 1) -> list[asyncio.Task[None]]:
        return [asyncio.ensure_future(self._request(tenant)) for _ in range(count)]

    async def _request(self, tenant: str) -> None:
        await self.starts.wait(tenant)
        over = asyncio.Event()
        self.log.append(tenant)
        self._over.append(over)
        await over.wait()

    async def end(self) -> None:
        """End the first that goes on."""
        self._over.pop(0).set()
        for _ in range(4):
            await asyncio.sleep(0)


def test_as_many_of_a_tenant_are_under_way_as_may_be() -> None:
    async def look() -> None:
        requests = Requests(most=2)
        requests.come("noisy", 80)
        await asyncio.sleep(0)
        assert requests.log == ["noisy"] * 2
        await requests.end()
        assert requests.log == ["noisy"] * 3

    run(look())


def test_another_tenant_does_not_wait_for_them() -> None:
    async def look() -> None:
        requests = Requests(most=2)
        requests.come("noisy", 80)
        requests.come("quiet", 2)
        await asyncio.sleep(0)
        assert requests.log == ["noisy", "noisy", "quiet", "quiet"]

    run(look())


def test_a_request_that_takes_long_does_not_hold_up_the_next() -> None:
    async def look() -> None:
        requests = Requests(most=1, young_s=YOUNG_S)
        requests.come("a", 2)
        await asyncio.sleep(0)
        assert requests.log == ["a"]
        while requests.log != ["a", "a"]:  # without an end of the first
            await asyncio.sleep(YOUNG_S)

    run(look())


def test_an_old_request_that_ends_is_not_counted_twice() -> None:
    async def look() -> None:
        requests = Requests(most=1, young_s=YOUNG_S)
        requests.come("a")
        await asyncio.sleep(4 * YOUNG_S)
        requests.come("a", 3)
        await asyncio.sleep(0)
        assert requests.log == ["a"] * 2
        await requests.end()  # the old one
        assert requests.log == ["a"] * 2

    run(look())


def test_a_request_whose_client_left_takes_no_turn() -> None:
    async def look() -> None:
        requests = Requests(most=1)
        first, left, last = requests.come("a", 3)
        await asyncio.sleep(0)
        left.cancel()
        await requests.end()
        assert first.done()
        assert requests.log == ["a", "a"]
        await requests.end()
        assert last.done()
        await requests.starts.wait("a")  # and all is as before

    run(look())


def test_a_client_that_leaves_when_its_turn_has_come_gives_it_back() -> None:
    async def look() -> None:
        requests = Requests(most=1)
        _, left, _ = requests.come("a", 3)
        await asyncio.sleep(0)
        requests._over.pop(0).set()
        while requests.starts._queue.waiting("a") != 1:
            await asyncio.sleep(0)
        left.cancel()
        for _ in range(4):
            await asyncio.sleep(0)
        assert requests.log == ["a", "a"]

    run(look())


def test_a_request_that_ends_as_it_stops_being_young_counts_once() -> None:
    problems: list[dict[str, Any]] = []

    async def look() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: problems.append(told))
        starts = Starts(most=1, young_s=0.0)

        async def request() -> None:
            await starts.wait("some")
            await asyncio.sleep(0)

        await asyncio.ensure_future(request())
        for _ in range(4):
            await asyncio.sleep(0)

    run(look())
    assert problems == []


def test_a_request_that_has_ended_leaves_no_cycle_of_references() -> None:
    async def look() -> None:
        starts = Starts(most=1, young_s=_PATIENCE_S)
        gc.collect()
        gc.disable()
        try:
            tasks = [asyncio.ensure_future(starts.wait("t")) for _ in range(3)]
            ended = [weakref.ref(task) for task in tasks]
            await asyncio.gather(*tasks)
            del tasks
            for _ in range(3):
                await asyncio.sleep(0)
            assert [ref() for ref in ended] == [None] * 3
        finally:
            gc.enable()

    run(look())
