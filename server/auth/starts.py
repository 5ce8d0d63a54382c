"""The order in which requests begin: fair between tenants.

A request takes most of a millisecond of the event loop (body, query, answer). The loop runs all
ready callbacks before it polls its sockets again, and the threads that evaluate queries share the
interpreter's lock with it. Without this limit, eighty simultaneous requests of one tenant would
delay each request of another tenant by the time of all eighty.
"""

from __future__ import annotations

import asyncio
from collections import deque
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
        self._young: deque[_Start] = deque()  # in the order in which they began, also ended ones
        self._timer: asyncio.TimerHandle | None = None  # while requests wait

    async def wait(self, tenant: str) -> None:
        """Wait until a request of a tenant may begin. The request ends with the task that waits."""
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._age(loop.time())
        start = _Start(tenant, task, self._leave)
        if self._queue.active(tenant) < self._most:
            self._queue.enter(tenant)
            self._begin(start, loop.time())
        else:
            start.turn = loop.create_future()
            self._queue.put(tenant, start)
            self._check_later(loop)
            await start.turn

    def _begin(self, start: _Start, now: float) -> None:
        start.begin(now + self.young_s)
        self._young.append(start)

    def _age(self, now: float) -> None:
        """Stop counting requests that are no longer young."""
        while self._young and self._young[0].until <= now:
            self._young.popleft().end()

    def _check_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and self._young:
            self._timer = loop.call_at(self._young[0].until, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._age(loop.time())
        if self._queue:
            self._check_later(loop)

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
                self._begin(taken.item, turn.get_loop().time())


class _Start:
    """A request that waits or is young. Once it has left, it refers to no task.

    turn   done when the request may begin; None: it has not waited
    until  when it stops being young, in seconds of the event loop
    """

    __slots__ = ("_leave", "_task", "_tenant", "turn", "until")

    def __init__(self, tenant: str, task: asyncio.Task[Any], leave: Callable[[str], None]) -> None:
        self._tenant = tenant
        self._task: asyncio.Task[Any] | None = task
        self._leave = leave
        self.until = 0.0
        self.turn: asyncio.Future[None] | None = None

    def begin(self, until: float) -> None:
        """Count as young until the task ends, at most until that time."""
        assert self._task is not None
        self.until = until
        self._task.add_done_callback(self.end)

    def end(self, _: object = None) -> None:
        """Stop counting the request."""
        task, self._task = self._task, None
        if task is not None:
            task.remove_done_callback(self.end)
            self._leave(self._tenant)
