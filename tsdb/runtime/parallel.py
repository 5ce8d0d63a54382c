"""Pieces of work of one query, done by its own thread and by others that are idle."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")


def ordered_parallel(
    count: int, work: Callable[[int], T], take: Callable[[T], None], *, alone: bool
) -> None:
    """work(0) … work(count - 1), and `take` for what each gives, in this order, on this thread.

    The calling thread works itself and never waits for one that has not begun, so a query does not
    queue behind others. Others help while there are cores that no query's own thread is on: a
    thread more than that takes turns with the one that has the interpreter's lock, for which
    everybody waits. The first exception is raised once all threads have stopped.

    Pieces of a piece are done by the thread that does the piece, too, and by others that no piece
    of the whole is left for.

    alone  other threads are not worth it
    """
    if alone or count < 2 or _cores() < 2:
        for number in range(count):
            take(work(number))
        return
    turns = _WorkQueue(count, work)
    helpers: list[Future[None]] = []
    counted = getattr(_turn, "taken", False)
    if not counted:
        _active_threads.come()
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
            _active_threads.leave()
        for helper in helpers:
            if not helper.cancel():
                helper.exception()  # wait; what it raised is kept in `failure`
    if turns.failure is not None:
        raise turns.failure
    for number in range(taken, count):
        take(turns.done.pop(number))


_turn = threading.local()
"""taken: whether this thread is doing a piece."""


class _WorkQueue(Generic[T]):
    """Which piece is next, and what came of those that are done."""

    def __init__(self, count: int, work: Callable[[int], T]) -> None:
        self._count, self._work = count, work
        self._next = 0
        self._lock = threading.Lock()
        self.done: dict[int, T] = {}
        self.failure: BaseException | None = None
        self.stopped = False

    def step(self) -> bool:
        """Do one piece; whether there was one to do."""
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
        """Do pieces while there is a core for it."""
        if not _active_threads.come(most=_cores()):
            return
        try:
            while _active_threads.count <= _cores() and self.step():
                pass
        finally:
            _active_threads.leave()


class _AtWork:
    """How many threads work on pieces, the queries' own and those that help them."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def come(self, *, most: int | None = None) -> bool:
        """Be counted, unless that would be more than `most`."""
        with self._lock:
            if most is not None and self.count >= most:
                return False
            self.count += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self.count -= 1

    def forget(self) -> None:
        """In a forked process: its parent's threads are not there."""
        self.count = 0
        self._lock = threading.Lock()


_active_threads = _AtWork()


@cache
def _helpers(priority: int) -> ThreadPoolExecutor:
    """Threads shared by all queries of the process that are run at this priority: who runs a large
    query on a thread that yields to others wants no help from threads that do not."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 5 ms, logging with it

    return ThreadPoolExecutor(
        max(1, _cores() - 1),
        thread_name_prefix="novaql-tile",
        initializer=_set_priority,
        initargs=(priority,),
    )


def _priority() -> int:
    """That of the calling thread, as `nice` has it, where the system knows that of threads."""
    if sys.platform != "linux":
        return 0
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def _set_priority(priority: int) -> None:
    """Of the calling thread; a system that does not let us leaves it as it is."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), priority)


# A forked process has the pool but none of its threads: it would wait for them for ever.
os.register_at_fork(after_in_child=_helpers.cache_clear)
os.register_at_fork(after_in_child=_active_threads.forget)


@cache
def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
