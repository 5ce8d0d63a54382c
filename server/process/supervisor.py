"""The process that forks the workers of a server, and replaces those that end.

It has no threads, so it may fork at any time, and has imported what workers need (`template.py`): a
worker takes a tenth of the processor time of a new Python, and shares the memory of its modules.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import TYPE_CHECKING

from novaql.fast_dataclass import dataclass
from novaql.lazy_exports import lazy_module
from novaql.server.file_modes import create_private_files
from novaql.server.process.logs import log_to_stderr
from novaql.server.process.worker_configuration import WorkerConfiguration

if TYPE_CHECKING:
    from novaql.server.process import template, worker
else:  # they import what only workers need
    template = lazy_module("novaql.server.process.template")
    worker = lazy_module("novaql.server.process.worker")

log = logging.getLogger(__name__)
NAME = "novaql-superv"
"""The name of the process in the lists of `ps` and `top`."""
LAG_S = 5.0
"""The longest time in which a worker ends, beyond that of its requests."""
START, HANGUP = "start", "hangup"
"""Orders of the owner: start the workers, and send them SIGHUP."""
_LONGEST_WAIT_S = 30.0


@dataclass(slots=True)
class _Place:
    """A worker's place: its process, and the time at which it is filled again."""

    row: int
    process: ForkProcess | None = None
    began: float = 0.0
    start_at: float = 0.0
    wait_s: float = 0.1


def run(configuration: WorkerConfiguration, orders: Connection, sender: Connection) -> None:
    """Run `settings.workers` workers until the owner closes its end of the connection, or ends.

    orders  the orders of the owner
    sender  the owner's end of them, closed here: this process has a copy
    """
    sender.close()
    _close_others(configuration, orders)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(NAME, "ascii")
    log_to_stderr(configuration.log_level, access_log=configuration.settings.access_log)
    create_private_files()
    template.load()
    _Supervisor(configuration, orders).run()


def _close_others(configuration: WorkerConfiguration, orders: Connection) -> None:
    """Close the owner's other files, such as locks that are to end with it. The objects that had
    them are not finalized in this process."""
    needed = {configuration.counts.descriptor, configuration.streams.descriptor}
    needed |= {configuration.sock.fileno(), orders.fileno()}
    if (owner := multiprocessing.parent_process()) is not None:
        needed.add(owner.sentinel)
    for before, after in pairwise([2, *sorted(needed), os.sysconf("SC_OPEN_MAX")]):
        os.closerange(before + 1, after)


class _Supervisor:
    """A worker that ends is replaced, the first time at once, then with growing waits if the new
    one also ends early."""

    def __init__(self, configuration: WorkerConfiguration, orders: Connection) -> None:
        self._configuration = configuration
        self._orders = orders
        self._places = [_Place(row) for row in range(configuration.settings.workers)]
        self._forks = multiprocessing.get_context("fork")
        self._alive = multiprocessing.Pipe(duplex=False)

    def run(self) -> None:
        with suppress(EOFError):
            while self._orders.recv() != START:
                pass
            while True:
                for place in self._places:
                    self._fill(place)
                ended = [process.sentinel for process in self._running()]
                if self._orders in wait([self._orders, *ended], self._wait_s()):
                    self._pass(self._orders.recv())
        self._stop()

    def _running(self) -> list[ForkProcess]:
        return [place.process for place in self._places if place.process is not None]

    def _wait_s(self) -> float | None:
        """Return the seconds until an empty place is filled. None if there is no empty place."""
        due = [place.start_at for place in self._places if place.process is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _pass(self, order: str) -> None:
        if order == HANGUP:
            for process in self._running():
                if process.is_alive():
                    os.kill(process.pid or 0, signal.SIGHUP)

    def _fill(self, place: _Place) -> None:
        now = time.monotonic()
        if place.process is not None:
            code = place.process.exitcode
            if code is None:
                return
            log.warning("a worker ended", extra={"pid": place.process.pid, "exit_code": code})
            place.process = None
            self._configuration.counts.clear(place.row)
            self._configuration.streams.clear(place.row)
            if now - place.began > _LONGEST_WAIT_S:
                place.wait_s = 0.1
            self._postpone(place, now)
        if now >= place.start_at:
            try:
                place.process, place.began = self._started(place.row), now
            except OSError:
                log.exception("a worker cannot be started")
                self._postpone(place, now)

    def _postpone(self, place: _Place, now: float) -> None:
        place.start_at = now + place.wait_s
        place.wait_s = min(place.wait_s * 2, _LONGEST_WAIT_S)

    def _started(self, row: int) -> ForkProcess:
        configuration = replace(self._configuration, row=row)
        process = self._forks.Process(
            target=worker.run, args=(configuration, *self._alive), daemon=True
        )
        process.start()
        return process

    def _stop(self) -> None:
        """Stop all workers after their current requests. Kill those that have not ended after the
        longest lag."""
        end = time.monotonic() + self._configuration.settings.shutdown_timeout_s + LAG_S
        for process in self._running():
            process.terminate()
        for process in self._running():
            process.join(max(0.0, end - time.monotonic()))
            process.kill()
            process.join()
