"""Threads that decode and store what is sent, shared fairly by the tenants.

Work comes as steps: a generator that yields between slices of a body. Tenants are served in turn;
where another tenant waits, work pauses between two steps, so that nobody waits for the whole of
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
    """What a step yields that waits for other work of its tenant."""


BLOCKED = Blocked()
Steps = Generator[Blocked | None, None, Answer]
"""Work in steps; it returns the answer. Each step may run on another thread."""

MOST_PAUSED = 2
"""Begun bodies that wait between two steps hold memory: not more than so many do at one time."""


class _Job:
    def __init__(self, tenant: str, steps: Steps[Any], held: HeldBody | None) -> None:
        self.tenant = tenant
        self.steps = steps
        self.held = held
        self.begun = False
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Writers:
    """Threads that decode and store.

    threads  how many; while all of them work, a tenant with nothing in work has another one
    capacity bodies that run or wait at one time; the next is refused with `Busy`, or, if another
             tenant has more of them, that one's youngest is
    octets   the budget of all bodies in work
    """

    def __init__(self, *, threads: int, capacity: int, octets: int) -> None:
        self.budget = BodyBudget(octets)
        self._pool = Pool(threads + 1, "write")
        self._threads = threads
        self._capacity = capacity
        self._queues: dict[str, deque[_Job]] = {}  # in the order in which tenants are served
        self._bodies: dict[str, int] = {}  # of each tenant, those that run or wait
        self._running: Counter[str] = Counter()  # threads that work for each tenant
        self._paused = 0
        self._elsewhere: frozenset[str] = frozenset()  # tenants with waiting work; read by threads

    def body(self, tenant: str) -> HeldBody:
        """A context for one body of a tenant: what it holds of the budget."""
        return self.budget.body(tenant)

    async def store(self, held: HeldBody, steps: Steps[Answer]) -> Answer:
        """The answer of work on a body that has arrived. Once begun it ends even when the client
        leaves. Raises `Busy`."""
        tenant = held.tenant
        self._need_place(tenant)
        self._bodies[tenant] = self._bodies.get(tenant, 0) + 1
        answer: Answer = await self._done(_Job(tenant, steps, held))
        return answer

    async def run(self, tenant: str, work: Callable[[], Answer]) -> Answer:
        """The answer of work done in a thread. Once begun it ends even when the client leaves."""
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
        """Raises `Busy` if there is no place for another body."""
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
        self._look_around()

    def _next(self) -> _Job | None:
        """The first job of the tenant whose turn it is, if there is a thread for it; the tenant
        then goes to the end."""
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

    def _look_around(self) -> None:
        waiting = frozenset(tenant for tenant, queue in self._queues.items() if queue)
        self._elsewhere = waiting if self._paused < MOST_PAUSED else frozenset()

    def _steps(self, job: _Job) -> tuple[bool, Any]:
        """In a thread: whether the work has ended, and its answer."""
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
                job.future.exception()  # seen: work whose client left may fail unheard
        else:
            ended, answer = ran.result()
            if not ended:
                self._paused += 1
                queue = self._queues.setdefault(job.tenant, deque())
                if answer is BLOCKED:
                    queue.append(job)  # what it waits for is before it
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
        """Wait for what is being stored."""
        self._pool.close(forget=False)


def _in_one_step(work: Callable[[], Answer]) -> Steps[Answer]:
    yield None
    return work()
