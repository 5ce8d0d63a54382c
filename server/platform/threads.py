"""Threads for work on the state database: never on the event loop, and never without bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from server.platform.errors import Busy
from server.platform.state.database import StateDatabase

Answer = TypeVar("Answer")


def readers_of(database: StateDatabase) -> int:
    """How many threads read a database at one time.

    SQLite reads in this process, with the interpreter's lock given away and asked for again at
    every row: more than two threads wait for each other, and the event loop for all of them.
    PostgreSQL does its work elsewhere.
    """
    return 2 if database.is_sqlite else 8


class StateThreads:
    """Runs at most `threads` pieces of work; `queue` more wait; the next is refused with `Busy`."""

    def __init__(self, *, threads: int = 8, queue: int = 512) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="state")
        self._room = threads + queue
        self._inside = 0

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """The answer of work done in a thread. It ends even when the client leaves."""
        if self._inside >= self._room:
            raise Busy("too many requests at once", headers={"Retry-After": "1"})
        self._inside += 1
        task = asyncio.get_running_loop().run_in_executor(self._pool, work)
        task.add_done_callback(self._left)
        return await task

    def close(self) -> None:
        """Wait for what runs; forget what waits."""
        self._pool.shutdown(cancel_futures=True)

    def _left(self, task: asyncio.Future[Answer]) -> None:
        self._inside -= 1
        if not task.cancelled():
            task.exception()  # seen: work whose client left may fail unheard
