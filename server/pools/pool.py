"""Threads for work off the event loop, which tenants share.

A pool has places: the number of tasks that run at the same time. Tenants get places in turn
(`fair_queue.py`). A task that has run for a while releases its place at its next checkpoint if a
tenant with fewer active tasks waits, and continues in its next turn. A task without checkpoints
cannot do so; a tenant without an active task then gets an extra place.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from traceback import clear_frames
from typing import Any, TypeVar

from novaql.server.pools.fair_queue import FairQueue, QueueFull

Answer = TypeVar("Answer")

QUANTUM_S = 0.01
"""The time after which a task releases its place if others wait."""

_POLL_S = 0.05
_here = threading.local()


class Place:
    """A task of a tenant: its function, and the place that it has or waits for.

    work, future, loop, ended   of `Pool.run`
    began    when it acquired its place, in seconds of `monotonic`
    """

    __slots__ = ("_pool", "began", "ended", "future", "go", "loop", "paused", "tenant", "work")

    def __init__(
        self,
        pool: Pool,
        tenant: str,
        work: Callable[[], Any],
        future: asyncio.Future[Any],
        loop: asyncio.AbstractEventLoop,
        ended: Callable[[], None] | None,
    ) -> None:
        self._pool = pool
        self.tenant = tenant
        self.work = work
        self.future = future
        self.loop = loop
        self.ended = ended
        self.began = 0.0
        self.paused = False
        self.go: threading.Event | None = None

    def yield_to_waiting(self, over: Callable[[], bool] = lambda: False) -> None:
        """A checkpoint. If it is another tenant's turn, release the place to it, and wait to
        acquire a place again. Call it in any thread that does this work.

        over  returns whether the work has to end, which also ends the wait
        """
        if self.paused or (self._pool.waiting and monotonic() - self.began > QUANTUM_S):
            self._pool.pause(self, over)


def place_here() -> Place | None:
    """Return the place of the task that runs in this thread; None in a thread of no pool."""
    place: Place | None = getattr(_here, "place", None)
    return place


class Pool:
    """Runs at most `threads` tasks at the same time, in addition to paused ones and those in extra
    places.

    name    of the threads, followed by a number
    begin   runs in each thread before its first task
    queue   the waiting tasks; unbounded by default
    inside  tasks that run or wait; changes on the event loop only
    """

    def __init__(
        self,
        threads: int,
        name: str,
        begin: Callable[[], None] | None = None,
        *,
        queue: FairQueue[Place] | None = None,
    ) -> None:
        self._places = threads
        self._name = name
        self._lock = threading.Lock()
        self._queue: FairQueue[Place] = FairQueue() if queue is None else queue
        self._running = 0  # tasks that have a place
        self._paused = 0  # tasks that released their place to others
        self._most_paused = 2 * threads
        self._most_beyond = threads
        self._executor = ThreadPoolExecutor(
            threads + self._most_paused + self._most_beyond, name, begin
        )
        self._closed = False
        self._over = threading.Event()  # closed, and the last task has ended
        self.inside = 0

    @property
    def waiting(self) -> int:
        """Return the number of tasks that wait for a place."""
        return len(self._queue)

    def run(
        self,
        work: Callable[[], Answer],
        *,
        tenant: str = "",
        admitted: bool = False,
        ended: Callable[[], None] | None = None,
    ) -> asyncio.Future[Answer]:
        """Run a task; on the event loop only. The future gets its result or its error.

        tenant    the tenant whose turn it is in; "" is the server itself
        admitted  it continues work that was admitted earlier: the bounds do not apply
        ended     called on the event loop when the task has ended, before the future is done

        The caller may cancel the future or set another outcome: the task continues, and its result
        is discarded. Raises `QueueFull` if the queue is bounded, either here or from the future, if
        another tenant displaced the task; `RuntimeError` after `close`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        place = Place(self, tenant, work, future, loop, ended)
        displaced = None
        with self._lock:
            if self._closed:
                raise RuntimeError(f"no work is taken any more by the threads of {self._name}")
            if self._running < self._places and not self._queue:
                self._queue.enter(tenant)
                self._begin_work(place)
            else:
                if admitted:
                    self._queue.put_first(tenant, place)
                else:
                    displaced = self._queue.put(tenant, place)
                if displaced is not None and displaced.item.paused:  # it can no longer be rejected
                    self._queue.enter(displaced.tenant)
                    self._queue.put_back(*displaced)
                    displaced = None
                if not self._queue.active(tenant):
                    loop.call_later(QUANTUM_S, self._begin_beyond, place)
            self.inside += 1
        if displaced is not None:
            self._settle(displaced.item, None, QueueFull())
        return future

    def pause(self, place: Place, over: Callable[[], bool]) -> None:
        """The implementation of `Place.yield_to_waiting`."""
        with self._lock:
            if not place.paused:
                if self._paused >= self._most_paused or not self._queue.is_due_to(place.tenant):
                    return
                place.paused, place.go = True, threading.Event()
                self._paused += 1
                self._running -= 1
                self._queue.put_back(place.tenant, place)
                self._dispatch()
            go = place.go
        assert go is not None
        while not go.wait(_POLL_S):
            if over():
                with self._lock:
                    if place.paused and self._queue.remove(place.tenant, place):
                        self._resume(place)  # let it end, which takes little time
                return

    def close(self, *, forget: bool) -> None:
        """Accept no more tasks and wait for running ones. `forget`: discard waiting tasks,
        otherwise run them."""
        with self._lock:
            self._closed = True
            for place in self._queue.clear() if forget else ():
                if place.paused:
                    self._resume(place)
                else:
                    _call(place.loop, place.future.cancel)
            self._end_if_over()
        self._over.wait()
        self._executor.shutdown()

    def _begin_beyond(self, place: Place) -> None:
        """Assign an extra place to a tenant that got none in time."""
        with self._lock:
            if self._queue.active(place.tenant) or self._closed:
                return
            if self._running < self._places + self._most_beyond and self._queue.remove(
                place.tenant, place
            ):
                if place.paused:  # it has begun meanwhile, and waits for its place again
                    self._resume(place)
                else:
                    self._queue.enter(place.tenant)
                    self._begin_work(place)

    def _dispatch(self) -> None:
        """Fill free places. The caller holds the lock."""
        while self._running < self._places and (taken := self._queue.take()) is not None:
            if taken.item.paused:
                self._queue.leave(taken.tenant)
                self._resume(taken.item)
            else:
                self._begin_work(taken.item)

    def _begin_work(self, place: Place) -> None:
        """Pass a task that already counts as active to a thread. The caller holds the lock."""
        self._running += 1
        self._executor.submit(self._work, place)

    def _resume(self, place: Place) -> None:
        """Resume a task that has left the queue. The caller holds the lock."""
        self._queue.enter(place.tenant)
        self._running += 1
        self._paused -= 1
        place.began, place.paused = monotonic(), False
        assert place.go is not None
        place.go.set()

    def _end_if_over(self) -> None:
        """Record the end of the last task. The caller holds the lock."""
        if self._closed and not self._running and not self._queue and not self._paused:
            self._over.set()

    def _work(self, place: Place) -> None:
        answer = error = None
        place.began, _here.place = monotonic(), place
        try:
            answer = place.work()
        except BaseException as problem:  # noqa: BLE001 - the future raises it
            error = problem
            _clear_frames(problem)
        _here.place = None
        place.work = _nothing  # it refers to its place: a cycle would hold what the task has read
        with self._lock:
            self._running -= 1
            self._queue.leave(place.tenant)
            self._dispatch()
            self._end_if_over()
        _call(place.loop, self._settle, place, answer, error)
        del error  # it refers to this frame: a cycle would hold the frames that it passed through

    def _settle(self, place: Place, answer: object, error: BaseException | None) -> None:
        self.inside -= 1
        if place.ended is not None:
            place.ended()
        future = place.future
        del place.future  # its error refers to the place: a cycle, as in `_work`
        if future.done():
            return
        if isinstance(error, StopIteration):  # a future rejects it, and would never be done
            failure = RuntimeError("the work raised StopIteration")
            failure.__cause__ = error
            error = failure
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)
            future.exception()  # marks the error as retrieved: the client may have left


def _nothing() -> None:
    """The work of a place whose task has ended."""


def _clear_frames(error: BaseException | None) -> None:
    """Clear the frames that an error passed through. An error is often part of a cycle, and would
    hold objects such as the arrays of a failed query until the next collection."""
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _call(loop: asyncio.AbstractEventLoop, what: Callable[..., object], *arguments: object) -> None:
    """Call a function on an event loop, unless that is closed and no task waits."""
    try:
        loop.call_soon_threadsafe(what, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise
