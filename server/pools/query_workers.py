"""Threads for queries: bounded pools, bounded queues, a deadline for each query."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Scope

from novaql import Cancellation, QueryCancelled, QueryTimeout
from novaql.server.errors import RateLimited
from novaql.server.pools.fair_queue import FairQueue, QueueFull
from novaql.server.pools.pool import Pool
from novaql.server.pools.precedence import FairCancellation, SmallQueryGauge, YieldingCancellation
from novaql.server.pools.threads import REFUSED_AFTER_S, refused
from novaql.tsdb import interruptible

Answer = TypeVar("Answer")

LARGE_PRIORITY = 10
"""The `nice` value of threads that run large queries."""

_UNWATCHED_S = 0.02
"""Only queries that run longer are checked for a disconnect of their client."""


class TooLargeHere(Exception):
    """Raised by a task that turns out to be large, before it does any work."""


class QueryWorkers:
    """Runs tasks in threads: `threads` for small ones, and as many for large ones. For each, at
    most `queue` more tasks wait, half of them of one tenant; further ones are rejected with `Busy`.

    Tenants take turns. A tenant that has fewer active tasks than another gets a place of the other
    at the next checkpoint of one of its tasks (`pool.py`).

    A task begins as a small one unless it is known to be large. If it raises `TooLargeHere`, it
    begins again as a large one, so small tasks wait only for each other. Large ones pause for them
    at their checkpoints (`precedence.py`), and their threads have a lower priority if the system
    has priorities of threads, so that large tasks take no cores from small ones.

    A task gets a `Cancellation` and must check it. It is set when the client disconnects and at the
    deadline. The place of a task is released when the task ends, not when the client disconnects.
    """

    def __init__(self, *, threads: int, queue: int) -> None:
        self._small = Pool(threads, "query", queue=FairQueue(queue))
        self._large = Pool(threads, "large-query", _yield_to_others, queue=FairQueue(queue))
        self._checks = Pool(threads, "check", _yield_to_others, queue=FairQueue(queue))
        self._watching: set[asyncio.Task[None]] = set()
        self.small_queries = SmallQueryGauge()  # those that run, and those that wait for a thread
        self._of_tenants: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """Return the number of tasks that run or wait."""
        return self._of_tenants.total()

    async def run(
        self,
        request: Request,
        work: Callable[[Cancellation], Answer],
        *,
        timeout_s: float,
        large: Callable[[Cancellation], Answer] | None = None,
        at_once: Callable[[], Answer] | None = None,
        is_large: bool = False,
    ) -> Answer:
        """Run a task and return its answer. The request's body must have been read before.

        large     runs if `work` raises `TooLargeHere`
        at_once   runs first, on the event loop; if it raises `TooLargeHere`, `work` runs in a
                  thread
        is_large  the task is likely large: `large` runs at once, `work` does not

        Raises `Busy`, or `RateLimited` for a tenant that has its largest number of tasks.
        """
        tenant, most = _tenant_of(request.scope)
        if 0 < most <= self._of_tenants[tenant]:
            await asyncio.sleep(REFUSED_AFTER_S)
            raise RateLimited(
                f"the tenant has {most} queries at once, which is its limit "
                "(max_concurrent_queries); try again",
                code="limit_reached",
                headers={"Retry-After": "1"},
            )
        if at_once is not None:
            with suppress(TooLargeHere):
                return at_once()
        cancellation = FairCancellation()
        ends = asyncio.get_running_loop().time() + timeout_s
        try:
            if not is_large:
                with suppress(TooLargeHere):
                    return await self._watched(
                        self._small, tenant, work, cancellation, request, ends
                    )
            cancellation = YieldingCancellation(self.small_queries)
            return await self._watched(
                self._large, tenant, large or work, cancellation, request, ends
            )
        except TimeoutError:
            raise QueryTimeout(
                f"the query took longer than its timeout of {timeout_s:g} s"
            ) from None
        except QueueFull:
            raise await refused("too many queries at once") from None
        finally:
            cancellation.cancel()

    async def _watched(
        self,
        pool: Pool,
        tenant: str,
        work: Callable[[Cancellation], Answer],
        cancellation: FairCancellation,
        request: Request,
        ends: float,
    ) -> Answer:
        """Return the task's answer. Raises `TimeoutError` or `QueryCancelled` if it has none in
        time."""
        loop = asyncio.get_running_loop()
        small = pool is self._small
        task = pool.run(
            partial(_begin, work, cancellation),
            tenant=tenant,
            ended=partial(self._left, tenant, small=small),
        )
        self._of_tenants[tenant] += 1
        if small:
            self.small_queries.enter()
        # Most queries end before a check for a disconnect is worth its cost.
        soon = min(loop.time() + _UNWATCHED_S, ends)
        later = loop.call_at(soon, self._begin_to_watch, task, request, ends)
        try:
            return await task
        finally:
            later.cancel()
            del task  # its error refers to this frame: a cycle would hold what the task has read

    def _begin_to_watch(self, task: asyncio.Future[Any], request: Request, ends: float) -> None:
        watching = asyncio.ensure_future(_watch(task, request, ends))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)

    async def next_piece(self, scope: Scope, pieces: Iterator[Answer]) -> Answer | None:
        """Generate the next piece of an answer among the large queries; None after the last.

        No thread waits for the client between two pieces.
        """
        tenant, _ = _tenant_of(scope)
        return await self._large.run(lambda: next(pieces, None), tenant=tenant, admitted=True)

    async def check(self, request: Request, work: Callable[[Cancellation], Answer]) -> Answer:
        """Check a request before it is carried out. The check pauses for small queries and other
        tenants at its checkpoints, and runs to its end even if the client disconnects.

        Raises `Busy`.
        """
        tenant, _ = _tenant_of(request.scope)
        yielding = YieldingCancellation(self.small_queries)
        try:
            return await self._checks.run(partial(_begin, work, yielding), tenant=tenant)
        except QueueFull:
            raise await refused("too many requests at once") from None

    def _left(self, tenant: str, *, small: bool) -> None:
        self._of_tenants[tenant] -= 1
        if not self._of_tenants[tenant]:
            del self._of_tenants[tenant]
        if small:
            self.small_queries.leave()

    def close(self) -> None:
        """Discard waiting tasks, wait for running ones."""
        self._small.close(forget=True)
        self._large.close(forget=True)
        self._checks.close(forget=True)


def _begin(work: Callable[[Cancellation], Answer], cancellation: FairCancellation) -> Answer:
    cancellation.begin()
    with interruptible(partial(_check, cancellation)):
        return work(cancellation)


def _check(cancellation: Cancellation) -> None:
    if cancellation.cancelled:
        raise QueryCancelled("the query was cancelled")


def _tenant_of(scope: Scope) -> tuple[str, int]:
    """Return the tenant of an admitted request, and its limit of simultaneous tasks; 0: the number
    of places."""
    context = scope.get("state", {}).get("context")
    if context is None or context.principal is None:
        return "", 0
    return context.principal.tenant_id, context.settings.max_concurrent_queries


def _yield_to_others() -> None:
    """Lower the priority of the calling thread below the others."""
    if sys.platform == "linux":  # elsewhere this would change another or the whole process
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LARGE_PRIORITY)


async def _watch(task: asyncio.Future[Any], request: Request, ends: float) -> None:
    """Set an error as the outcome of a task that is too slow or whose client has disconnected."""
    gone = asyncio.ensure_future(_client_gone(request))
    either: set[asyncio.Future[Any]] = {task, gone}
    left_s = ends - asyncio.get_running_loop().time()
    try:
        await asyncio.wait(either, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not task.done():
        left = gone.done() and not gone.cancelled()
        task.set_exception(QueryCancelled("the client went away") if left else TimeoutError())


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
