"""The order in which requests begin: fair between tenants.

A request takes most of a millisecond of the event loop (body, query, answer). The loop runs all
ready callbacks before it polls its sockets again, and the threads that evaluate queries share the
interpreter's lock with it. Without this limit, eighty simultaneous requests of one tenant would
delay each request of another tenant by the time of all eighty.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from novaql.server.pools.fair_queue import FairQueue

YOUNG_S = 0.02
"""How long a request counts. An older one waits for I/O, or is queued elsewhere."""


class Starts:
    """Limits the requests of a tenant that began less than `young_s` ago and still run to `most`.
    Further requests wait, and tenants take turns. Not thread-safe: only for the event loop."""

    def __init__(self, most: int, *, young_s: float = YOUNG_S) -> None:
        self.young_s = young_s
        self._most = most
        self._queue: FairQueue[_Start] = FairQueue(most_active=most)

    async def wait(self, tenant: str) -> None:
        """Wait until a request of a tenant may begin. The request ends with the task that waits."""
        task = asyncio.current_task()
        assert task is not None
        start = _Start(task, task.get_loop().create_future())
        if self._queue.active(tenant) < self._most:
            self._queue.enter(tenant)
            self._begin(tenant, start)
        else:
            self._queue.put(tenant, start)
            await start.turn

    def _begin(self, tenant: str, start: _Start) -> None:
        def leave(_: object = None) -> None:
            # If a task ends just as it stops being young, both callbacks are already scheduled.
            if old.cancelled():
                return
            old.cancel()
            start.task.remove_done_callback(leave)
            self._leave(tenant)

        start.turn.set_result(None)
        start.task.add_done_callback(leave)
        old = start.task.get_loop().call_later(self.young_s, leave)

    def _leave(self, tenant: str) -> None:
        """Count a request as ended or as no longer young, so that others may begin."""
        self._queue.leave(tenant)
        while (taken := self._queue.take()) is not None:
            if taken.item.turn.done():  # its client has disconnected
                self._queue.leave(taken.tenant)
            else:
                self._begin(taken.tenant, taken.item)


class _Start(NamedTuple):
    """turn: done when the request may begin"""

    task: asyncio.Task[Any]
    turn: asyncio.Future[None]
