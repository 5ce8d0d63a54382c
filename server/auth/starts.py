"""The order in which requests begin: fair between tenants.

A request takes most of a millisecond of the event loop (body, query, answer). The loop runs all
ready callbacks before it polls its sockets again, and the threads that evaluate queries share the
interpreter's lock with it. Without this limit, eighty simultaneous requests of one tenant would
delay each request of another tenant by the time of all eighty.
"""

from __future__ import annotations

import asyncio
from typing import Any

from novaql.server.pools.fair_queue import FairQueue

YOUNG_S = 0.02
"""How long a request counts. An older one waits for I/O, or is queued elsewhere."""


class Starts:
    """Limits the requests of a tenant that began less than `young_s` ago and still run to `most`.
    Further requests wait, and tenants take turns. Not thread-safe: only for the event loop."""

    def __init__(self, most: int, *, young_s: float = YOUNG_S) -> None:
        self.young_s = young_s
        self._most = most
        self._queue: FairQueue[_Request] = FairQueue(most_active=most)

    async def wait(self, tenant: str) -> None:
        """Wait until a request of a tenant may begin. The request ends with the task that waits."""
        request = _Request(self, tenant)
        if self._queue.active(tenant) < self._most:
            self._queue.enter(tenant)
            request.begin()
        else:
            self._queue.put(tenant, request)
            await request.turn

    def leave(self, tenant: str) -> None:
        """Count a request of a tenant as ended or as no longer young, so that others may begin."""
        self._queue.leave(tenant)
        while (taken := self._queue.take()) is not None:
            if taken.item.turn.done():  # its client has disconnected
                self._queue.leave(taken.tenant)
            else:
                taken.item.begin()


class _Request:
    """turn: done when the request may begin"""

    def __init__(self, starts: Starts, tenant: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._starts = starts
        self._tenant = tenant
        self._task = task
        self._left = False
        self.turn: asyncio.Future[None] = task.get_loop().create_future()

    def begin(self) -> None:
        self.turn.set_result(None)
        self._task.add_done_callback(self._leave)
        self._old = self._task.get_loop().call_later(self._starts.young_s, self._leave, self._task)

    def _leave(self, task: asyncio.Task[Any]) -> None:
        # If a task ends just as it stops being young, both callbacks are already scheduled.
        if self._left:
            return
        self._left = True
        self._old.cancel()
        task.remove_done_callback(self._leave)
        self._starts.leave(self._tenant)
