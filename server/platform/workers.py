"""Work off the event loop: bounded threads, bounded queues, an end for each query."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from starlette.requests import Request

from novaql.api import Cancellation
from novaql.errors import QueryCancelled, QueryTimeout
from server.platform.errors import Busy

Answer = TypeVar("Answer")

LARGE_PRIORITY = 10
"""As `nice` has it, of threads that run large queries."""


class TooLargeHere(Exception):
    """Raised by work that found out that it belongs among the large ones, before it did any."""


class QueryWorkers:
    """Runs tasks on threads: `threads` for small ones, and as many for large ones. At most `queue`
    more than `threads` run or wait; the next is refused with `Busy`.

    Every task begins among the small ones. One that raises `TooLargeHere` is begun again among the
    large ones, so small ones wait for each other alone. The threads of large ones have a lower
    priority, where the system knows that of threads: two cores are not taken from small ones.

    A task gets a `Cancellation` and must heed it. It is set when the client goes away and when
    the time is up. The place of a task is free when the task ends, not when the client leaves.
    """

    def __init__(self, *, threads: int, queue: int) -> None:
        self._small = ThreadPoolExecutor(threads, thread_name_prefix="query")
        self._large = ThreadPoolExecutor(
            threads, thread_name_prefix="large-query", initializer=_yield_to_others
        )
        self._room = threads + queue
        self.running = 0

    async def run(
        self,
        request: Request,
        work: Callable[[Cancellation], Answer],
        *,
        timeout_s: float,
        large: Callable[[Cancellation], Answer] | None = None,
    ) -> Answer:
        """The task's answer. The request's body must have been read before.

        large  what to do if `work` raises `TooLargeHere`
        """
        if self.running >= self._room:
            raise Busy("too many queries at once", headers={"Retry-After": "1"})
        cancellation = Cancellation()
        self.running += 1
        task = asyncio.ensure_future(self._in_turn(work, large or work, cancellation))
        gone = asyncio.ensure_future(_client_gone(request))
        either: set[asyncio.Future[Any]] = {task, gone}
        try:
            await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            task.add_done_callback(_seen)
            if gone.done():
                raise QueryCancelled("the client went away")
            raise QueryTimeout(f"the query took longer than its timeout of {timeout_s:g} s")
        finally:
            gone.cancel()
            cancellation.cancel()

    async def _in_turn(
        self,
        work: Callable[[Cancellation], Answer],
        large: Callable[[Cancellation], Answer],
        cancellation: Cancellation,
    ) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            try:
                return await loop.run_in_executor(self._small, work, cancellation)
            except TooLargeHere:
                return await loop.run_in_executor(self._large, large, cancellation)
        finally:
            self.running -= 1

    def close(self) -> None:
        """Forget waiting tasks, wait for running ones."""
        self._small.shutdown(cancel_futures=True)
        self._large.shutdown(cancel_futures=True)


def _seen(task: asyncio.Future[Any]) -> None:
    """A task whose client left may fail unheard."""
    if not task.cancelled():
        task.exception()


def _yield_to_others() -> None:
    """Give the calling thread a lower priority than the others have."""
    if sys.platform == "linux":  # elsewhere this would be that of the whole process
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LARGE_PRIORITY)


class Writers:
    """Threads that decode and store. More than `room` bodies at once are refused with `Busy`."""

    def __init__(self, *, threads: int, room: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="write")
        self._room = room
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one body; taken before it is read, so that memory stays bounded."""
        if self._taken >= self._room:
            raise Busy("too many writes at once", headers={"Retry-After": "1"})
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """The answer of work done in a thread. It ends even when the client leaves."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for what is being stored."""
        self._pool.shutdown()


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
