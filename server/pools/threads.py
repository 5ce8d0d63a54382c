"""Bounded pools of threads for work on the state database, off the event loop."""

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
    """Return how many threads read a database at the same time.

    SQLite reads in this process, and releases and acquires the interpreter's lock for every row:
    more than two threads would wait for each other, and the event loop for all of them. PostgreSQL
    reads in its own processes.
    """
    return 2 if database.is_sqlite else 8


REFUSED_AFTER_S = 1.0
"""The value of Retry-After, and the delay of the answer: immediate retries would occupy the event
loop."""


async def refused(message: str) -> Busy:
    """Wait a little, then return the error for a tenant that uses all its places."""
    await asyncio.sleep(REFUSED_AFTER_S)
    return Busy(message, headers={"Retry-After": "1"})


class StateThreads:
    """Runs at most `threads` tasks, tenants in turn. `queue` more wait, at most half of them of one
    tenant. Further ones are rejected with `Busy`."""

    def __init__(self, *, threads: int = 8, queue: int = 512) -> None:
        self._pool = Pool(threads, "state", queue=FairQueue(queue))

    async def run(self, work: Callable[[], Answer], *, tenant: str = "") -> Answer:
        """Run a task in a thread, in a tenant's turn ("" is the server itself), and return its
        answer. It runs to its end even if the client disconnects."""
        try:
            return await self._pool.run(work, tenant=tenant)
        except QueueFull:
            raise await refused("too many requests at once") from None

    def close(self) -> None:
        """Wait for running tasks; discard waiting ones."""
        self._pool.close(forget=True)
