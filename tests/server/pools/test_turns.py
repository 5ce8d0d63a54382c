"""Tenants share the threads: in turn, with places given back at checkpoints, and bounded queues."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from novaql.server.pools.fair_queue import FairQueue, QueueFull
from novaql.server.pools.pool import Pool, place_here
from novaql.server.pools.precedence import FairCancellation

HANG_S = 30.0


def computing(until: threading.Event, log: list[str], name: str) -> str:
    """Work with checkpoints that goes on until it is told to end."""
    place = place_here()
    assert place is not None
    while not until.is_set():
        time.sleep(0.001)
        place.yield_to_waiting()
    log.append(name)
    return name


def test_short_work_of_a_tenant_waits_for_one_piece_of_another_not_for_all() -> None:
    async def look() -> None:
        log: list[str] = []
        pool = Pool(1, "look")
        all_wait = threading.Event()
        first = pool.run(all_wait.wait, tenant="noisy")
        noisy = [pool.run(partial(log.append, "noisy"), tenant="noisy") for _ in range(200)]
        quiet = pool.run(partial(log.append, "quiet"), tenant="quiet")
        all_wait.set()
        await asyncio.gather(first, quiet, *noisy)
        assert log.index("quiet") <= 1
        pool.close(forget=True)

    asyncio.run(look())


def test_work_that_has_begun_and_paused_is_not_begun_again_beyond_the_places() -> None:
    async def look() -> None:
        pool = Pool(1, "look")
        begun: list[str] = []
        first_may_end, second_runs, end = (threading.Event() for _ in range(3))

        def quietly() -> str:
            begun.append("quiet")
            place = place_here()
            assert place is not None
            while not second_runs.is_set():
                time.sleep(0.001)
                place.yield_to_waiting()  # pauses for the second piece, which waits
            return "quiet"

        def second() -> None:
            second_runs.set()
            end.wait(HANG_S)

        first = pool.run(lambda: first_may_end.wait(HANG_S), tenant="noisy")
        quiet = pool.run(quietly, tenant="quiet")  # it waits: soon it may have a place beyond
        other = pool.run(second, tenant="noisy")
        first_may_end.set()
        second_runs.wait(HANG_S)  # on the event loop, which is late therefore
        assert await asyncio.wait_for(quiet, HANG_S) == "quiet"
        assert begun == ["quiet"]
        assert not other.done()
        end.set()
        await asyncio.wait_for(asyncio.gather(first, other), HANG_S)
        assert await asyncio.wait_for(pool.run(lambda: "goes on", tenant="quiet"), HANG_S)
        pool.close(forget=True)

    asyncio.run(look())


@pytest.mark.parametrize("threads", [1, 2])
def test_long_work_gives_its_place_back_at_a_checkpoint(threads: int) -> None:
    async def look() -> None:
        log: list[str] = []
        pool, end = Pool(threads, "look"), threading.Event()
        noisy = [pool.run(partial(computing, end, log, "noisy"), tenant="noisy") for _ in range(8)]
        await asyncio.sleep(0.1)
        for _ in range(3):
            quiet = pool.run(partial(log.append, "quiet"), tenant="quiet")
            await asyncio.wait_for(quiet, HANG_S)
        assert log == ["quiet"] * 3
        end.set()
        await asyncio.wait_for(asyncio.gather(*noisy), HANG_S)  # what was paused went on
        pool.close(forget=True)

    asyncio.run(look())


def test_two_long_pieces_of_two_tenants_take_turns_in_one_place() -> None:
    async def look() -> None:
        pool, end = Pool(1, "look"), threading.Event()
        steps = {"a": 0, "b": 0}
        at_once, now = 0, 0

        def work(tenant: str) -> None:
            nonlocal at_once, now
            place = place_here()
            assert place is not None
            while not end.is_set():
                now += 1
                at_once = max(at_once, now)
                time.sleep(0.001)
                now -= 1
                steps[tenant] += 1
                place.yield_to_waiting()

        both = [pool.run(partial(work, tenant), tenant=tenant) for tenant in steps]
        deadline = time.monotonic() + HANG_S
        while min(steps.values()) < 20:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        end.set()
        await asyncio.wait_for(asyncio.gather(*both), HANG_S)
        assert at_once <= 2  # a tenant that got none in time has one beyond the others
        pool.close(forget=True)

    asyncio.run(look())


def test_work_without_checkpoints_cannot_keep_every_place() -> None:
    async def look() -> None:
        pool, end = Pool(2, "look"), threading.Event()
        noisy = [pool.run(partial(end.wait, HANG_S), tenant="noisy") for _ in range(5)]
        assert await asyncio.wait_for(pool.run(lambda: 7, tenant="quiet"), HANG_S) == 7
        end.set()
        assert await asyncio.gather(*noisy) == [True] * 5
        pool.close(forget=True)

    asyncio.run(look())


@pytest.mark.slow
def test_a_tenant_alone_has_no_places_beyond_the_others() -> None:
    async def look() -> None:
        pool, end, begun = Pool(2, "look"), threading.Event(), []

        def work() -> None:
            begun.append(1)
            end.wait(HANG_S)

        alone = [pool.run(work, tenant="a") for _ in range(5)]
        await asyncio.sleep(0.3)
        assert len(begun) == 2
        end.set()
        await asyncio.gather(*alone)
        assert len(begun) == 5
        pool.close(forget=True)

    asyncio.run(look())


def test_a_full_queue_refuses_the_tenant_that_fills_it() -> None:
    async def look() -> None:
        end = threading.Event()
        pool = Pool(1, "look", queue=FairQueue(4, share=4))
        running = pool.run(partial(end.wait, HANG_S), tenant="noisy")
        noisy = [pool.run(lambda: "noisy", tenant="noisy") for _ in range(4)]
        with pytest.raises(QueueFull):
            pool.run(lambda: "noisy", tenant="noisy")
        quiet = pool.run(lambda: "quiet", tenant="quiet")  # in place of the last one
        with pytest.raises(QueueFull):
            await noisy.pop()
        assert pool.inside == 5
        end.set()
        assert await quiet == "quiet"
        assert await asyncio.gather(*noisy) == ["noisy"] * 3
        await running
        assert pool.inside == 0
        pool.close(forget=True)

    asyncio.run(look())


@pytest.mark.slow
def test_what_is_cancelled_while_it_waits_for_its_place_ends_at_once() -> None:
    async def look() -> None:
        pool, end = Pool(1, "look"), threading.Event()
        cancellation, paused = FairCancellation(), threading.Event()

        def noisy() -> str:
            cancellation.begin()
            while not cancellation.cancelled:
                time.sleep(0.001)
            paused.set()
            return "cancelled"

        first = pool.run(noisy, tenant="noisy")
        await asyncio.sleep(0.1)
        quiet = pool.run(partial(end.wait, HANG_S), tenant="quiet")
        await asyncio.sleep(0.2)
        cancellation.cancel()
        assert await asyncio.wait_for(first, HANG_S) == "cancelled"
        assert not end.is_set()
        end.set()
        assert await quiet
        pool.close(forget=True)

    asyncio.run(look())


@pytest.mark.slow
@pytest.mark.parametrize("forget", [True, False])
def test_closing_lets_what_was_paused_come_to_its_end(forget: bool) -> None:
    async def look() -> None:
        log: list[str] = []
        pool, end, go = Pool(1, "look"), threading.Event(), threading.Event()
        work: Callable[[], object] = partial(computing, end, log, "paused")
        first = pool.run(work, tenant="a")
        await asyncio.sleep(0.1)
        second = pool.run(partial(go.wait, HANG_S), tenant="b")
        await asyncio.sleep(0.2)
        closing = asyncio.create_task(asyncio.to_thread(pool.close, forget=forget))
        await asyncio.sleep(0.05)
        end.set()
        go.set()
        await asyncio.wait_for(closing, HANG_S)
        assert await first == "paused"
        assert await second

    asyncio.run(look())
