"""When requests begin, so that no tenant's requests wait behind all of another's.

A request takes most of a millisecond of the event loop (its body, its query, its answer), and the
loop runs everything that is ready before it looks at its sockets again; the threads that answer
queries share the interpreter's lock with it. Eighty clients of one tenant that ask again at once
would so delay each request of another tenant by eighty of theirs.
"""

from __future__ import annotations

import asyncio
from typing import Any

from novaql.server.pools.fair_queue import FairQueue

YOUNG_S = 0.02
"""How long a request counts: one that takes longer waits for something, or is queued elsewhere."""


class Starts:
    """Lets a request of a tenant begin while fewer than `most` of its requests are under way and
    younger than `young_s`. Requests that wait begin in their tenants' turns. On the event loop
    only.
    """

    def __init__(self, most: int, *, young_s: float = YOUNG_S) -> None:
        self.young_s = young_s
        self._most = most
        self._queue: FairQueue[_Request] = FairQueue(most_active=most)

    async def wait(self, tenant: str) -> None:
        """Return when a request of a tenant may begin. It ends with the task that waits here."""
        request = _Request(self, tenant)
        if self._queue.active(tenant) < self._most:
            self._queue.enter(tenant)
            request.begin()
        else:
            self._queue.put(tenant, request)
            await request.turn

    def leave(self, tenant: str) -> None:
        """A request of a tenant has ended, or is no longer young: others may begin."""
        self._queue.leave(tenant)
        while (taken := self._queue.take()) is not None:
            if taken.item.turn.done():  # its client has left
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
        # A task that ends as it stops being young has both callbacks scheduled already.
        if self._left:
            return
        self._left = True
        self._old.cancel()
        task.remove_done_callback(self._leave)
        self._starts.leave(self._tenant)
