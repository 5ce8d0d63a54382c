"""Requests begin on the event loop one in a round, of the tenants in turn."""

from __future__ import annotations

import asyncio

from server.platform.starts import Starts


def test_a_tenant_waits_for_one_request_of_another_not_for_all() -> None:
    async def look() -> list[str]:
        starts, log = Starts(), list[str]()

        async def request(tenant: str) -> None:
            await starts.wait(tenant)
            log.append(tenant)

        noisy = [asyncio.ensure_future(request("noisy")) for _ in range(80)]
        await asyncio.sleep(0)
        quiet = asyncio.ensure_future(request("quiet"))
        await asyncio.gather(quiet, *noisy)
        return log

    log = asyncio.run(look())
    assert log.index("quiet") <= 3
    assert len(log) == 81


def test_the_loop_looks_at_its_sockets_between_two_requests() -> None:
    async def look() -> list[int]:
        starts, rounds, seen = Starts(), 0, list[int]()

        async def request() -> None:
            await starts.wait("a")
            seen.append(rounds)

        waiting = [asyncio.ensure_future(request()) for _ in range(9)]
        while not all(one.done() for one in waiting):
            await asyncio.sleep(0)
            rounds += 1
        return seen

    seen = asyncio.run(look())
    assert seen == sorted(set(seen))


def test_a_request_whose_client_left_takes_no_turn() -> None:
    async def look() -> None:
        starts = Starts()
        first, left, last = (asyncio.ensure_future(starts.wait("a")) for _ in range(3))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.wait_for(asyncio.gather(first, last), 30)
        await asyncio.wait_for(starts.wait("a"), 30)  # and all is as before

    asyncio.run(look())
