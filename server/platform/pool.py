"""Threads for work off the event loop, with as little ado as there can be.

Most requests go to a thread and back, and most of what a thread does for them is short.
`run_in_executor` makes two futures, a lock and a handful of callbacks for each piece of work; here
it is one future, one look at a queue and one call back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

Answer = TypeVar("Answer")


class _Piece(NamedTuple):
    """Work, who waits for it, and whom to tell that it has ended."""

    work: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    ended: Callable[[], None] | None


class Pool:
    """At most so many threads, each begun when it is first needed.

    name    of the threads, with a number behind it
    begin   what a thread does before its first work
    inside  pieces of work that run or wait; changes on the event loop only
    """

    def __init__(self, threads: int, name: str, begin: Callable[[], None] | None = None) -> None:
        self._most = threads
        self._name = name
        self._begin = begin
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[_Piece | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.inside = 0

    def run(
        self, work: Callable[[], Answer], *, ended: Callable[[], None] | None = None
    ) -> asyncio.Future[Answer]:
        """Have work done; on the event loop only. The future has its answer or its error.

        ended  called on the event loop when the work has ended, before the future is done

        Whoever has enough of waiting may cancel the future, or give it another outcome: the work
        goes on, and what comes of it is forgotten. Raises `RuntimeError` after `close`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        with self._lock:
            if self._closed:
                raise RuntimeError(f"no work is taken any more by the threads of {self._name}")
            self.inside += 1
            if len(self._threads) < min(self._most, self.inside):
                self._begin_thread()
            self._waiting.put(_Piece(work, future, loop, ended))
        return future

    def close(self, *, forget: bool) -> None:
        """Take no more, and wait for what runs; `forget` what waits, or do that, too."""
        with self._lock:
            self._closed = True
            if forget:
                self._forget_waiting()
            for _ in self._threads:
                self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _forget_waiting(self) -> None:
        while True:
            try:
                piece = self._waiting.get_nowait()
            except Empty:
                return
            if piece is not None:
                _call(piece.loop, piece.future.cancel)

    def _begin_thread(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        if self._begin is not None:
            self._begin()
        while (piece := self._waiting.get()) is not None:
            answer = error = None
            try:
                answer = piece.work()
            except BaseException as problem:  # noqa: BLE001 - whoever waits for it is told
                error = problem
            _call(piece.loop, self._settle, piece, answer, error)
            del piece, answer, error  # nothing is kept until there is other work

    def _settle(self, piece: _Piece, answer: object, error: BaseException | None) -> None:
        self.inside -= 1
        if piece.ended is not None:
            piece.ended()
        future = piece.future
        if future.done():
            return
        if isinstance(error, StopIteration):  # a future refuses it, and would never be done
            told = RuntimeError("the work raised StopIteration")
            told.__cause__ = error
            error = told
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)
            future.exception()  # seen: work whose client left may fail unheard


def _call(loop: asyncio.AbstractEventLoop, what: Callable[..., object], *arguments: object) -> None:
    """Have something called on an event loop, unless that is over and nobody waits."""
    try:
        loop.call_soon_threadsafe(what, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise
