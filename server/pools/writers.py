"""Threads that decode and store samples from clients, shared fairly between tenants.

A job is a generator that yields between slices of a body: a sequence of steps. Tenants take turns.
If another tenant waits, a job pauses between two steps, so that no tenant waits for the whole of
another's large body.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from novaql.server.errors import Busy
from novaql.server.pools.body_budget import BodyBudget, HeldBody
from novaql.server.pools.pool import Pool

Answer = TypeVar("Answer")


class Blocked:
    """A step yields this if it waits for another job of its tenant."""


BLOCKED = Blocked()
Steps = Generator[Blocked | None, None, Answer]
"""A job in steps, which returns the answer. Each step may run in another thread."""

MOST_PAUSED = 2
"""The largest number of paused bodies, because bodies that have begun hold memory."""


class _Job:
    def __init__(self, tenant: str, steps: Steps[Any], held: HeldBody | None) -> None:
        self.tenant = tenant
        self.steps = steps
        self.held = held
        self.begun = False
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Writers:
    """Threads that decode and store.

    threads   their number; while all of them are busy, a tenant without a running job gets an extra
              one
    capacity  the most bodies that run or wait. A further one is rejected with `Busy`, or displaces
              the youngest of a tenant that has more of them
    octets    the budget of all these bodies, in bytes
    """

    def __init__(self, *, threads: int, capacity: int, octets: int) -> None:
        self.budget = BodyBudget(octets)
        self._pool = Pool(threads + 1, "write")
        self._threads = threads
        self._capacity = capacity
        self._queues: dict[str, deque[_Job]] = {}  # in the order in which tenants are served
        self._bodies: dict[str, int] = {}  # for each tenant, those that run or wait
        self._running: Counter[str] = Counter()  # busy threads of each tenant
        self._paused = 0
        self._elsewhere: frozenset[str] = frozenset()  # tenants with waiting jobs; read by threads

    def body(self, tenant: str) -> HeldBody:
        """Return a context for one body of a tenant: its part of the budget."""
        return self.budget.body(tenant)

    async def store(self, held: HeldBody, steps: Steps[Answer]) -> Answer:
        """Run a job on a body that has arrived, and return its answer. Once begun it runs to its
        end even if the client disconnects. Raises `Busy`."""
        tenant = held.tenant
        self._need_place(tenant)
        self._bodies[tenant] = self._bodies.get(tenant, 0) + 1
        answer: Answer = await self._done(_Job(tenant, steps, held))
        return answer

    async def run(self, tenant: str, work: Callable[[], Answer]) -> Answer:
        """Run a function in a thread and return its answer. Once begun it runs to its end even if
        the client disconnects."""
        answer: Answer = await self._done(_Job(tenant, _in_one_step(work), None))
        return answer

    async def _done(self, job: _Job) -> Any:
        self._queues.setdefault(job.tenant, deque()).append(job)
        self._dispatch()
        try:
            return await job.future
        except asyncio.CancelledError:
            if not job.begun:
                self._queues[job.tenant].remove(job)
                self._leave(job)
                self._dispatch()
            raise

    def _need_place(self, tenant: str) -> None:
        """Raise `Busy` if no place is free for another body."""
        if sum(self._bodies.values()) < self._capacity:
            return
        most = max(self._bodies, key=self._bodies.__getitem__)
        if self._bodies[most] > self._bodies.get(tenant, 0) + 1:
            for job in reversed(self._queues.get(most, ())):
                if not job.begun and job.held is not None and job.held.give_up():
                    return
        raise Busy("too many writes at once", headers={"Retry-After": "1"})

    def _dispatch(self) -> None:
        while (job := self._next()) is not None:
            self._running[job.tenant] += 1
            if job.begun:
                self._paused -= 1
            job.begun = True
            if job.held is not None:
                job.held.pinned = True
            ran = self._pool.run(lambda job=job: self._steps(job))  # type: ignore[misc]
            ran.add_done_callback(lambda ran, job=job: self._ran(job, ran))  # type: ignore[misc]
        self._note_waiting_tenants()

    def _next(self) -> _Job | None:
        """Return the first job of the next tenant, if a thread is free for it. The tenant moves to
        the end of the order."""
        working = self._running.total()
        if working > self._threads:
            return None
        for tenant in list(self._queues):
            if working == self._threads and self._running[tenant]:
                continue
            queue = self._queues.pop(tenant)
            if queue:
                job = queue.popleft()
                self._queues[tenant] = queue
                return job
        return None

    def _note_waiting_tenants(self) -> None:
        waiting = frozenset(tenant for tenant, queue in self._queues.items() if queue)
        self._elsewhere = waiting if self._paused < MOST_PAUSED else frozenset()

    def _steps(self, job: _Job) -> tuple[bool, Any]:
        """Run steps in a thread. Return whether the job has ended, and its answer."""
        while True:
            try:
                step = next(job.steps)
            except StopIteration as end:
                return True, end.value
            if step is BLOCKED:
                return False, BLOCKED
            waiting = self._elsewhere
            if waiting and waiting != {job.tenant}:
                return False, None

    def _ran(self, job: _Job, ran: asyncio.Future[tuple[bool, Any]]) -> None:
        self._running -= Counter([job.tenant])
        if ran.cancelled() or ran.exception() is not None:
            self._leave(job)
            if not job.future.done():
                problem = None if ran.cancelled() else ran.exception()
                job.future.set_exception(problem or asyncio.CancelledError())
                job.future.exception()  # marks the error as retrieved: the client may have left
        else:
            ended, answer = ran.result()
            if not ended:
                self._paused += 1
                queue = self._queues.setdefault(job.tenant, deque())
                if answer is BLOCKED:
                    queue.append(job)  # the job that it waits for is before it
                else:
                    queue.appendleft(job)
            else:
                self._leave(job)
                if not job.future.done():
                    job.future.set_result(answer)
        self._dispatch()

    def _leave(self, job: _Job) -> None:
        if job.held is None:
            return
        self._bodies[job.tenant] -= 1
        if not self._bodies[job.tenant]:
            del self._bodies[job.tenant]

    def close(self) -> None:
        """Wait for running jobs."""
        self._pool.close(forget=False)


def _in_one_step(work: Callable[[], Answer]) -> Steps[Answer]:
    yield None
    return work()
