"""Work off the event loop: bounded threads, bounded queues, an end for each query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.requests import Request

from novaql.api import Cancellation
from novaql.errors import QueryCancelled, QueryTimeout
from server.platform.errors import Busy

Answer = TypeVar("Answer")


class QueryWorkers:
    """Runs at most `threads` tasks; `queue` more wait; the next is refused with `Busy`.

    A task gets a `Cancellation` and must heed it. It is set when the client goes away and when
    the time is up. The place of a task is free when the task ends, not when the client leaves.
    """

    def __init__(self, *, threads: int, queue: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="query")
        self._room = threads + queue
        self.running = 0

    async def run(
        self, request: Request, work: Callable[[Cancellation], Answer], *, timeout_s: float
    ) -> Answer:
        """The task's answer. The request's body must have been read before."""
        if self.running >= self._room:
            raise Busy("too many queries at once", headers={"Retry-After": "1"})
        cancellation = Cancellation()
        loop = asyncio.get_running_loop()
        self.running += 1
        task = loop.run_in_executor(self._pool, work, cancellation)
        task.add_done_callback(self._left)
        gone = asyncio.ensure_future(_client_gone(request))
        either: set[asyncio.Future[Any]] = {task, gone}
        try:
            await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if gone.done():
                raise QueryCancelled("the client went away")
            raise QueryTimeout(f"the query took longer than its timeout of {timeout_s:g} s")
        finally:
            gone.cancel()
            cancellation.cancel()

    def close(self) -> None:
        """Forget waiting tasks, wait for running ones."""
        self._pool.shutdown(cancel_futures=True)

    def _left(self, task: asyncio.Future[Answer]) -> None:
        self.running -= 1
        if not task.cancelled():
            task.exception()  # seen: a task whose client left may fail unheard


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
