"""Threads for work on the state database: never on the event loop, and never without bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from novaql.server.db.engine import StateDatabase
from novaql.server.errors import Busy
from novaql.server.pools.fair_queue import FairQueue, QueueFull
from novaql.server.pools.pool import Pool

Answer = TypeVar("Answer")


def readers_of(database: StateDatabase) -> int:
    """How many threads read a database at one time.

    SQLite reads in this process, with the interpreter's lock given away and asked for again at
    every row: more than two threads wait for each other, and the event loop for all of them.
    PostgreSQL does its work elsewhere.
    """
    return 2 if database.is_sqlite else 8


REFUSED_AFTER_S = 1.0
"""As its Retry-After says: clients that ask again at once must not keep the event loop busy."""


async def refused(message: str) -> Busy:
    """The refusal of a tenant whose places are taken, which waits a little before it goes out."""
    await asyncio.sleep(REFUSED_AFTER_S)
    return Busy(message, headers={"Retry-After": "1"})


class StateThreads:
    """Runs at most `threads` pieces of work, tenants in turn; `queue` more wait, of one tenant half
    of them at most. The next is refused with `Busy`."""

    def __init__(self, *, threads: int = 8, queue: int = 512) -> None:
        self._pool = Pool(threads, "state", queue=FairQueue(queue))

    async def run(self, work: Callable[[], Answer], *, tenant: str = "") -> Answer:
        """The answer of work done in a thread, in a tenant's turn ("" is the server's own). It ends
        even when the client leaves."""
        try:
            return await self._pool.run(work, tenant=tenant)
        except QueueFull:
            raise await refused("too many requests at once") from None

    def close(self) -> None:
        """Wait for what runs; forget what waits."""
        self._pool.close(forget=True)
