"""A thread that repeats a piece of background work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from novaql.server.errors import Unavailable

log = logging.getLogger(__name__)


class Loop:
    """Calls `step` in a thread until it is stopped. The log has its errors; the loop continues.

    name     of the thread, and in the log
    step     does what is due. It returns the seconds until the next call; None: `every_s`
    every_s  the usual interval, also after an error
    """

    def __init__(self, name: str, step: Callable[[], float | None], *, every_s: float) -> None:
        self.stopping = threading.Event()
        self._name = name
        self._step = step
        self._every_s = every_s
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._thread is not None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Call `step` now."""
        self._wake.set()

    def stop(self) -> None:
        """Stop after a running call."""
        self.stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self.stopping.is_set():
            wait_s = None
            try:
                wait_s = self._step()
            except Unavailable as problem:
                log.warning("%s: waits for the database: %s", self._name, problem)
            except Exception:
                log.exception("%s: failed", self._name)
            self._wake.wait(self._every_s if wait_s is None else wait_s)
            self._wake.clear()
