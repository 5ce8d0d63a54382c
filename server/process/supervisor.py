"""The workers of a server: processes that answer on its socket, restarted when they end.

They are forks of a process without threads, which has imported what they need (`template.py`): a
worker takes a tenth of the processor time of a new Python, and shares the memory of its modules.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from types import ModuleType
from typing import TYPE_CHECKING

from novaql.lazy_exports import lazy_module
from novaql.server.jobs.loop import Loop
from novaql.server.process.shared_counts import SharedCounts
from novaql.server.settings import Settings

if TYPE_CHECKING:
    from novaql.server.process import worker
else:  # it has what only workers need
    worker = lazy_module("novaql.server.process.worker")

log = logging.getLogger(__name__)
_SLOWEST_RESTART_S = 30.0


@dataclass(slots=True)
class _Place:
    """A worker's place: its process, and the time at which it is filled again."""

    process: ForkServerProcess | None = None
    began: float = 0.0
    start_at: float = 0.0
    wait_s: float = 0.1


@dataclass
class ApiWorkers:
    """`settings.workers` processes that share a listening socket.

    A worker that ends is replaced, the first time at once, then with growing waits if the new one
    also ends early. All workers stop by themselves if this process ends.
    """

    settings: Settings
    sock: socket.socket
    owner: str
    log_level: str = "info"

    def __post_init__(self) -> None:
        self._places = [_Place() for _ in range(self.settings.workers)]
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload(["novaql.server.process.template"])
        self._counts = SharedCounts.made(self.settings.workers)
        self._streams = SharedCounts.made(self.settings.workers)
        self._loop = Loop("workers", self._watch, every_s=0.1)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Stop all workers after their current requests. Kill those that have not ended after the
        longest lag."""
        self._loop.stop()
        running = [p.process for p in self._places if p.process is not None]
        for process in running:
            process.terminate()
        end = time.monotonic() + self.settings.shutdown_timeout_s + 5
        for process in running:
            process.join(max(0.0, end - time.monotonic()))
            process.kill()
            process.join()
        for counts in (self._counts, self._streams):
            os.close(counts.descriptor)

    def read_certificate(self) -> None:
        """Make all workers load the certificate in the settings' files again."""
        for place in self._places:
            process = place.process
            if process is not None and process.is_alive():
                os.kill(process.pid or 0, signal.SIGHUP)

    def _watch(self) -> None:
        for row, place in enumerate(self._places):
            self._restart_if_ended(row, place)

    def _restart_if_ended(self, row: int, place: _Place) -> None:
        now = time.monotonic()
        if place.process is not None:
            code = place.process.exitcode
            if code is None:
                if now - place.began > _SLOWEST_RESTART_S:
                    place.wait_s = 0.1
                return
            log.warning("a worker ended", extra={"pid": place.process.pid, "exit_code": code})
            place.process = None
            self._counts.clear(row)
            self._streams.clear(row)
            self._wait(place)
        if now >= place.start_at:
            try:
                place.process, place.began = self._started(row), now
            except (OSError, EOFError):
                log.exception("a worker cannot be started")
                self._wait(place)

    def _wait(self, place: _Place) -> None:
        place.start_at = time.monotonic() + place.wait_s
        place.wait_s = min(place.wait_s * 2, _SLOWEST_RESTART_S)

    def _started(self, row: int) -> ForkServerProcess:
        configuration = worker.WorkerConfiguration(
            settings=self.settings,
            sock=self.sock,
            owner=self.owner,
            counts=self._counts,
            streams=self._streams,
            row=row,
            log_level=self.log_level,
        )
        process = self._forks.Process(target=worker.run, args=(configuration,), daemon=True)
        with _without_main_module(), _blocked(worker.ORDERS):
            process.start()
        return process


@contextmanager
def _blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """Block signals in this thread, and in a template that it starts."""
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
