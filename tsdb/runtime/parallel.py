"""Runs the tasks of one query on its own thread and on idle cores."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

from novaql.lazy_exports import lazy_module
from novaql.tsdb.runtime.forks import after_fork

if TYPE_CHECKING:
    from concurrent import futures
else:  # it loads logging, 5 ms
    futures = lazy_module("concurrent.futures")

T = TypeVar("T")


def ordered_parallel(
    count: int, work: Callable[[int], T], take: Callable[[T], None], *, alone: bool
) -> None:
    """Run work(0) … work(count - 1), and call `take` with each result, in this order, on this
    thread.

    The calling thread works too and never waits for a task that has not begun, so a query does not
    queue behind others. Helper threads run only on cores that no query's own thread uses: an
    additional thread would compete for the interpreter's lock. The first exception is raised after
    all threads have stopped.

    Tasks of nested calls run on the thread of the outer task, and on helpers for which no outer
    task is left.

    alone  do not use other threads
    """
    if alone or count < 2 or _cores() < 2:
        for number in range(count):
            take(work(number))
        return
    turns = _WorkQueue(count, work)
    helpers: list[futures.Future[None]] = []
    counted = getattr(_turn, "taken", False)
    if not counted:
        _active_threads.acquire()
    taken = 0
    try:
        while True:
            helpers = [helper for helper in helpers if not helper.done()]
            if len(helpers) < min(_cores(), count) - 1 and _active_threads.count < _cores():
                helpers.append(_helpers(_priority()).submit(turns.help))
            if not turns.step():
                break
            while taken in turns.done:
                take(turns.done.pop(taken))
                taken += 1
    finally:
        turns.stopped = True
        if not counted:
            _active_threads.release()
        for helper in helpers:
            if not helper.cancel():
                helper.exception()  # wait; its exception is in `failure`
    if turns.failure is not None:
        raise turns.failure
    for number in range(taken, count):
        take(turns.done.pop(number))


_turn = threading.local()
"""taken: whether this thread runs a task."""


class _WorkQueue(Generic[T]):
    """The next task, and the results of finished ones."""

    def __init__(self, count: int, work: Callable[[int], T]) -> None:
        self._count, self._work = count, work
        self._next = 0
        self._lock = threading.Lock()
        self.done: dict[int, T] = {}
        self.failure: BaseException | None = None
        self.stopped = False

    def step(self) -> bool:
        """Run one task; returns False if there is none left."""
        with self._lock:
            number = self._next
            if self.stopped or number >= self._count:
                return False
            self._next = number + 1
        before = getattr(_turn, "taken", False)
        _turn.taken = True
        try:
            self.done[number] = self._work(number)
        except BaseException as failure:  # noqa: BLE001 - raised again by the calling thread
            self.failure = self.failure or failure
            self.stopped = True
        finally:
            _turn.taken = before
        return True

    def help(self) -> None:
        """Run tasks while a core is free."""
        if not _active_threads.acquire(most=_cores()):
            return
        try:
            while _active_threads.count <= _cores() and self.step():
                pass
        finally:
            _active_threads.release()


class _ActiveThreads:
    """Number of threads that run tasks: the queries' own and their helpers."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def acquire(self, *, most: int | None = None) -> bool:
        """Count this thread, unless the number would exceed `most`; returns whether it is
        counted."""
        with self._lock:
            if most is not None and self.count >= most:
                return False
            self.count += 1
            return True

    def release(self) -> None:
        with self._lock:
            self.count -= 1

    def reset_after_fork(self) -> None:
        """In a forked process, which has none of its parent's threads."""
        self.count = 0
        self._lock = threading.Lock()


_active_threads = _ActiveThreads()


@cache
def _helpers(priority: int) -> futures.ThreadPoolExecutor:
    """Return the helper threads of all queries that run at this priority. A large query on a thread
    of low priority must not get helpers of a higher one."""
    return futures.ThreadPoolExecutor(
        max(1, _cores() - 1),
        thread_name_prefix="novaql-batch",
        initializer=_set_priority,
        initargs=(priority,),
    )


def _priority() -> int:
    """Return the priority (nice value) of the calling thread, if the system has one for threads."""
    if sys.platform != "linux":
        return 0
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def _set_priority(priority: int) -> None:
    """Set the priority of the calling thread; without permission, it does not change."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), priority)


# A forked process has the pool but none of its threads, and would wait for them for ever.
after_fork(_helpers.cache_clear)
after_fork(_active_threads.reset_after_fork)


@cache
def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
