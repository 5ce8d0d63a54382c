"""The workers of a server, as the process that owns the stores sees them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType

from novaql.fast_dataclass import dataclass
from novaql.server.jobs.loop import Loop
from novaql.server.process import supervisor
from novaql.server.process.shared_counts import SharedCounts
from novaql.server.process.worker_configuration import ORDERS, WorkerConfiguration
from novaql.server.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    """A supervisor, the end of the connection over which it takes orders, and shared counts."""

    process: BaseProcess
    orders: Connection
    counts: tuple[SharedCounts, SharedCounts]

    def order(self, order: str) -> None:
        with suppress(OSError):  # it has ended: the next one starts everything
            self.orders.send(order)

    def close(self) -> None:
        for counts in self.counts:
            os.close(counts.descriptor)
        self.orders.close()


class ApiWorkers:
    """`settings.workers` processes that share a listening socket.

    Another process, the supervisor, forks them. It is a fork of this process, or a new Python if
    this process has threads. Another supervisor, always a new Python, replaces one that ends. All
    workers end if the supervisor, or this process, ends.

    sock      the listening socket
    owner     the path of the socket on which this process answers
    may_fork  False: the supervisor is a new Python, because a fork would share a store or a
              database that a caller has opened
    """

    def __init__(
        self,
        settings: Settings,
        sock: socket.socket,
        owner: str,
        log_level: str = "info",
        *,
        may_fork: bool = True,
    ) -> None:
        self._settings = settings
        self._sock = sock
        self._owner = owner
        self._log_level = log_level
        self._loop = Loop("workers", self._watch, every_s=1.0)
        self._running = self._begun(forks=may_fork and threading.active_count() == 1)

    def start(self) -> None:
        """Start the workers."""
        self._running.order(supervisor.START)
        self._loop.start()

    def stop(self) -> None:
        """Stop all workers after their current requests. Kill what has not ended after the longest
        lag."""
        self._loop.stop()
        running = self._running
        if running.orders.closed:
            return
        running.close()
        running.process.join(self._settings.shutdown_timeout_s + 2 * supervisor.LAG_S)
        running.process.kill()
        running.process.join()

    def read_certificate(self) -> None:
        """Make all workers load the certificate in the settings' files again."""
        self._running.order(supervisor.HANGUP)

    def _watch(self) -> None:
        code = self._running.process.exitcode
        if code is None:
            return
        pid = self._running.process.pid
        log.error("the supervisor of the workers ended", extra={"pid": pid, "exit_code": code})
        ended, self._running = self._running, self._begun(forks=False)
        ended.close()
        self._running.order(supervisor.START)

    def _begun(self, *, forks: bool) -> _Running:
        counts = [SharedCounts.made(self._settings.workers) for _ in range(2)]
        configuration = WorkerConfiguration(
            settings=self._settings,
            sock=self._sock,
            owner=self._owner,
            counts=counts[0],
            streams=counts[1],
            log_level=self._log_level,
        )
        theirs, ours = multiprocessing.Pipe(duplex=False)
        start: type[BaseProcess] = multiprocessing.get_context("spawn").Process
        if forks:
            start = multiprocessing.get_context("fork").Process
        process = start(target=supervisor.run, args=(configuration, theirs, ours))
        with theirs, _without_main_module(), _blocked(ORDERS):
            process.start()
        return _Running(process, ours, (counts[0], counts[1]))


@contextmanager
def _blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """Block signals in this thread, and in a process that it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Start processes that do not run the program's main module again. Workers need nothing of it,
    and a script that calls `serve` without a guard would start a server in each."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
