"""Threads that store: tenants in turn, large work between its steps, places shared."""

from __future__ import annotations

import asyncio
import threading

import pytest

from novaql.server.errors import Busy
from novaql.server.pools.writers import BLOCKED, Steps, Writers


def writers(threads: int = 1, room: int = 4) -> Writers:
    return Writers(threads=threads, capacity=room, octets=1 << 20)


async def stored(pool: Writers, tenant: str, steps: Steps[str]) -> str:
    with pool.body(tenant) as held:
        await held.grow(10)
        return await pool.store(held, steps)


def test_a_large_body_lets_another_tenant_by_between_its_steps() -> None:
    async def look() -> None:
        pool, order, may_go = writers(), list[str](), threading.Event()

        def large() -> Steps[str]:
            for step in range(6):
                may_go.wait(20)
                order.append(f"large {step}")
                yield None
            return "large"

        def small() -> Steps[str]:
            order.append("small")
            yield None
            return "small"

        first = asyncio.create_task(stored(pool, "noisy", large()))
        await asyncio.sleep(0.05)
        more = asyncio.create_task(stored(pool, "noisy", large()))
        second = asyncio.create_task(stored(pool, "quiet", small()))
        await asyncio.sleep(0.05)
        may_go.set()
        answers = [await task for task in (first, second, more)]
        assert answers == ["large", "small", "large"]
        assert order.index("small") <= 3
        assert order[-6:] == [f"large {step}" for step in range(6)]  # not begun before the first
        assert pool.budget.used == 0
        pool.close()

    asyncio.run(look())


def test_a_tenant_with_nothing_in_work_does_not_wait_for_a_long_step_of_another() -> None:
    async def look() -> None:
        pool, may_go = writers(threads=2), threading.Event()

        def long() -> Steps[str]:
            may_go.wait(20)
            yield None
            return "long"

        def short() -> Steps[str]:
            yield None
            return "short"

        noisy = [asyncio.create_task(stored(pool, "noisy", long())) for _ in range(3)]
        await asyncio.sleep(0.05)
        quiet = stored(pool, "quiet", short())
        assert await asyncio.wait_for(quiet, 10) == "short"
        assert not any(task.done() for task in noisy)
        may_go.set()
        assert await asyncio.gather(*noisy) == ["long"] * 3
        pool.close()

    asyncio.run(look())


def test_work_that_waits_for_other_work_of_its_tenant_does_not_keep_it_from_a_thread() -> None:
    async def look() -> None:
        pool, lock = writers(), threading.Lock()

        def holder() -> Steps[str]:
            lock.acquire()
            for _ in range(3):
                yield BLOCKED  # goes behind the others
            lock.release()
            return "held"

        def waiter() -> Steps[str]:
            while not lock.acquire(timeout=0.01):
                yield BLOCKED
            lock.release()
            return "waited"

        both = [stored(pool, "a", holder()), stored(pool, "a", waiter())]
        assert await asyncio.wait_for(asyncio.gather(*both), 20) == ["held", "waited"]
        pool.close()

    asyncio.run(look())


def test_a_full_queue_has_places_for_a_tenant_that_has_fewer() -> None:
    async def look() -> None:
        pool, leave = writers(room=4), threading.Event()

        def work() -> Steps[str]:
            leave.wait(20)
            yield None
            return "stored"

        noisy = [asyncio.create_task(stored(pool, "noisy", work())) for _ in range(4)]
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await stored(pool, "noisy", work())
        quiet = asyncio.create_task(stored(pool, "quiet", work()))
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await noisy[3]  # the youngest that had not begun
        leave.set()
        assert await asyncio.gather(*noisy[:3], quiet) == ["stored"] * 4
        pool.close()

    asyncio.run(look())


def test_errors_come_to_whoever_waits_and_places_are_free_again() -> None:
    async def look() -> None:
        pool = writers(room=1)

        def failing() -> Steps[str]:
            yield None
            raise KeyError("broken")

        for _ in range(3):
            with pytest.raises(KeyError, match="broken"):
                await stored(pool, "a", failing())
        assert await pool.run("a", lambda: 7) == 7
        pool.close()

    asyncio.run(look())
