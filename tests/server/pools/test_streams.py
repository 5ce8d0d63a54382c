"""Streams of a tenant are counted, and share their looks."""

from __future__ import annotations

import asyncio
import os

import pytest

from novaql.server.errors import RateLimited
from novaql.server.pools.streams import Streams
from novaql.server.process.connections import Connections
from novaql.server.process.shared_counts import SharedCounts


def test_a_tenant_has_so_many_and_another_its_own() -> None:
    streams = Streams()
    with streams.opened("a", 1), streams.opened("b", 1), streams.opened("c", 0):
        with pytest.raises(RateLimited), streams.opened("a", 1):
            pass
        with streams.opened("c", 0):
            assert [streams.open_of(tenant) for tenant in "abc"] == [1, 1, 2]
    assert [streams.open_of(tenant) for tenant in "abc"] == [0, 0, 0]


def test_the_limit_is_that_of_all_processes() -> None:
    counts = SharedCounts.made(2)
    one, other = (
        Streams(Connections(most=0, most_an_address=0, shared=counts, row=row)) for row in range(2)
    )
    with one.opened("a", 2), other.opened("a", 2), other.opened("b", 2):
        for streams in (one, other):
            with pytest.raises(RateLimited), streams.opened("a", 2):
                pass
        counts.clear(1)  # the other process was killed
        with one.opened("a", 2):
            pass
    with one.opened("a", 1):
        pass
    os.close(counts.descriptor)


def test_streams_of_a_tenant_share_a_read() -> None:
    async def run() -> int:
        streams, reads = Streams(), 0

        async def read() -> int:
            nonlocal reads
            reads += 1
            await asyncio.sleep(0)
            return reads

        async def look(tenant: str, age_s: float) -> int:
            return await streams.shared_read(tenant, age_s, read)

        with streams.opened("a", 0):
            assert set(await asyncio.gather(*(look("a", 60) for _ in range(5)))) == {1}
            assert await look("b", 60) == 2
            await asyncio.sleep(0.01)
            assert await look("a", 0.001) == 3
        return await look("a", 60)  # no stream is left that may share it

    assert asyncio.run(run()) == 4


def test_a_read_that_fails_is_tried_again() -> None:
    async def run() -> None:
        streams = Streams()

        async def fail() -> int:
            raise LookupError("gone")

        async def read() -> int:
            return 1

        with streams.opened("a", 0):
            with pytest.raises(LookupError, match="gone"):
                await streams.shared_read("a", 0, fail)
            await asyncio.sleep(0.001)
            assert await streams.shared_read("a", 0, read) == 1

    asyncio.run(run())
