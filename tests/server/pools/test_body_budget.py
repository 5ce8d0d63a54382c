"""One budget for all bodies: used by one tenant alone, shared as soon as another needs it."""

from __future__ import annotations

import asyncio

import pytest

from novaql.server.errors import Busy
from novaql.server.pools.body_budget import BodyBudget


async def holding(budget: BodyBudget, tenant: str, octets: int, leave: asyncio.Event) -> None:
    with budget.body(tenant) as held:
        await held.grow(octets)
        await leave.wait()


async def begun(*tasks: asyncio.Task[None]) -> None:
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() and task.exception() for task in tasks)


def test_a_tenant_alone_may_use_all_of_it_and_gives_it_back() -> None:
    async def look() -> None:
        budget, leave = BodyBudget(100), asyncio.Event()
        tasks = [asyncio.create_task(holding(budget, "a", 25, leave)) for _ in range(4)]
        await begun(*tasks)
        assert budget.used == 100
        leave.set()
        await asyncio.gather(*tasks)
        assert budget.used == 0

    asyncio.run(look())


def test_what_another_tenant_needs_is_taken_from_the_youngest_bodies_above_half() -> None:
    async def look() -> None:
        budget, leave = BodyBudget(100), asyncio.Event()
        tasks = [asyncio.create_task(holding(budget, "noisy", 25, leave)) for _ in range(4)]
        await begun(*tasks)
        with budget.body("quiet") as held:
            await held.grow(40)
            assert held.octets == 40
            assert budget.used <= 100
        failed = [task for task in tasks if task.done()]
        assert failed == tasks[2:]
        for task in failed:
            with pytest.raises(Busy):
                await task
        leave.set()
        await asyncio.gather(*tasks[:2])
        assert budget.used == 0

    asyncio.run(look())


def test_a_tenant_within_its_half_is_never_given_up() -> None:
    async def look() -> None:
        budget, leave = BodyBudget(100), asyncio.Event()
        tasks = [asyncio.create_task(holding(budget, "a", 50, leave))]
        tasks.append(asyncio.create_task(holding(budget, "b", 50, leave)))
        await begun(*tasks)
        waits = asyncio.create_task(holding(budget, "c", 10, leave))
        await begun(*tasks, waits)
        assert budget.held_by("c") == 0
        leave.set()
        await asyncio.gather(*tasks, waits)

    asyncio.run(look())


def test_a_body_that_is_being_decoded_is_not_given_up() -> None:
    async def look() -> None:
        budget = BodyBudget(100)
        with budget.body("noisy") as held:
            await held.grow(90)
            held.pinned = True
            waits = asyncio.create_task(holding(budget, "quiet", 40, asyncio.Event()))
            await begun(waits)
            assert budget.held_by("quiet") == 0
        await begun(waits)
        assert budget.held_by("quiet") == 40
        waits.cancel()

    asyncio.run(look())


def test_a_wait_that_is_too_long_is_a_503() -> None:
    async def look() -> None:
        budget, leave = BodyBudget(100, wait_s=0.01), asyncio.Event()
        first = asyncio.create_task(holding(budget, "a", 90, leave))
        await begun(first)
        with pytest.raises(Busy), budget.body("a") as held:
            await held.grow(20)
        with pytest.raises(Busy), budget.body("a") as held:
            await held.grow(200)
        leave.set()
        await first
        assert budget.used == 0

    asyncio.run(look())
