"""The order in which requests begin: fair between tenants.

A request takes most of a millisecond of the event loop (body, query, answer). The loop runs all
ready callbacks before it polls its sockets again, and the threads that evaluate queries share the
interpreter's lock with it. Without this limit, eighty simultaneous requests of one tenant would
delay each request of another tenant by the time of all eighty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
        self._queue: FairQueue[_Start] = FairQueue(most_active=most)

    async def wait(self, tenant: str) -> None:
        """Wait until a request of a tenant may begin. The request ends with the task that waits."""
        task = asyncio.current_task()
        assert task is not None
        start = _Start(tenant, task, self._leave)
        if self._queue.active(tenant) < self._most:
            self._queue.enter(tenant)
            start.begin(self.young_s)
        else:
            start.turn = task.get_loop().create_future()
            self._queue.put(tenant, start)
            await start.turn

    def _leave(self, tenant: str) -> None:
        """Count a request as ended or as no longer young, so that others may begin."""
        self._queue.leave(tenant)
        while (taken := self._queue.take()) is not None:
            turn = taken.item.turn
            assert turn is not None
            if turn.done():  # its client has disconnected
                self._queue.leave(taken.tenant)
            else:
                turn.set_result(None)
                taken.item.begin(self.young_s)


class _Start:
    """A request that waits or is young. Once it has left, it is in no cycle of references: the task
    of a request and all that it refers to would wait for the garbage collector.

    turn  done when the request may begin; None: it has not waited
    """

    __slots__ = ("_leave", "_task", "_tenant", "_timer", "turn")

    def __init__(self, tenant: str, task: asyncio.Task[Any], leave: Callable[[str], None]) -> None:
        self._tenant = tenant
        self._task = task
        self._leave = leave
        self._timer: asyncio.TimerHandle | None = None
        self.turn: asyncio.Future[None] | None = None

    def begin(self, young_s: float) -> None:
        """Count as young until the task ends, at most for that time."""
        self._task.add_done_callback(self.end)
        self._timer = self._task.get_loop().call_later(young_s, self.end)

    def end(self, _: object = None) -> None:
        """Count no longer. If a task ends just as it stops being young, both callbacks are already
        scheduled."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        self._task.remove_done_callback(self.end)
        self._leave(self._tenant)
