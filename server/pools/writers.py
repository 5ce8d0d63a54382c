"""Threads that decode and store samples from clients, shared fairly between tenants.

A job is a generator that yields between slices of a body: a sequence of steps. If another tenant
waits, a job pauses between two steps (`pool.py`), so that no tenant waits for the whole of
another's large body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from novaql.server.errors import Busy
from novaql.server.pools.body_budget import BodyBudget, HeldBody
from novaql.server.pools.fair_queue import FairQueue, QueueFull
from novaql.server.pools.pool import Pool, place_here

Answer = TypeVar("Answer")


class Blocked:
    """A step yields this if it waits for another job of its tenant."""


BLOCKED = Blocked()
Steps = Generator[Blocked | None, None, Answer]
"""A job in steps, which returns the answer."""

MOST_PAUSED = 2
"""The largest number of paused bodies, because bodies that have begun hold memory."""


class Writers:
    """Threads that decode and store.

    threads  their number; while all of them are busy, a tenant without a running job gets an extra
             one
    capacity bodies that run or wait; a further one is rejected with `Busy`, or the youngest of
             another tenant if that one has more of them
    octets   the budget of all these bodies
    """

    def __init__(self, *, threads: int, capacity: int, octets: int) -> None:
        self.budget = BodyBudget(octets)
        waiting = max(0, capacity - threads)
        queue = FairQueue[Any](waiting, share=waiting)
        self._pool = Pool(threads, "write", queue=queue, most_paused=MOST_PAUSED, most_beyond=1)

    def body(self, tenant: str) -> AbstractContextManager[HeldBody]:
        """Return a context for one body of a tenant: its part of the budget."""
        return self.budget.body(tenant)

    async def store(self, held: HeldBody, steps: Steps[Answer]) -> Answer:
        """Run a job on a body that has arrived, and return its answer. Once begun it runs to its
        end even if the client disconnects. Raises `Busy`."""
        job = _Job(self._pool, held.tenant, steps, held)
        try:
            answer: Answer = await job.run(FairQueue.put)
        except QueueFull:
            raise Busy("too many writes at once", headers={"Retry-After": "1"}) from None
        return answer

    async def run(self, tenant: str, work: Callable[[], Answer]) -> Answer:
        """Run a function in a thread and return its answer. Once begun it runs to its end even if
        the client disconnects."""
        answer: Answer = await _Job(self._pool, tenant, _in_one_step(work)).run(FairQueue.put_last)
        return answer

    def close(self) -> None:
        """Wait for running jobs."""
        self._pool.close(forget=False)


class _Job:
    """begun: whether a thread has taken it"""

    def __init__(
        self, pool: Pool, tenant: str, steps: Steps[Any], held: HeldBody | None = None
    ) -> None:
        self._pool = pool
        self._tenant = tenant
        self._steps: Steps[Any] | None = steps
        self._held = held
        self._begun = False

    async def run(self, put: Callable[[FairQueue[Any], str, Any], Any]) -> Any:
        running = asyncio.ensure_future(self._run(put))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if not self._begun:
                self._steps = None  # releases the body; its turn passes
                running.cancel()
            raise

    async def _run(self, put: Callable[[FairQueue[Any], str, Any], Any]) -> Any:
        while True:
            answer = await self._pool.run(self._advance, tenant=self._tenant, put=put)
            if answer is not BLOCKED:
                return answer
            put = FairQueue.put_last  # the job that it waits for is before it

    def _advance(self) -> Any:
        """Run steps in a thread. Return the answer, or `BLOCKED`."""
        steps, place = self._steps, place_here()
        if steps is None:
            return None
        assert place is not None
        self._begun = True
        if self._held is not None:
            self._held.pinned = True
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            if step is BLOCKED:
                return BLOCKED
            place.yield_to_waiting()


def _in_one_step(work: Callable[[], Answer]) -> Steps[Answer]:
    yield None
    return work()
