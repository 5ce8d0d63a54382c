"""A thread that calls a method at an interval, or at once when woken."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

logger = logging.getLogger("tsdb")


class PeriodicTask:
    """Calls a bound method every `interval_s` seconds and after each `wake()`, until `stop()`.

    Holds the method's object weakly: the thread ends when the object is garbage. An error of the
    method is logged, and the thread continues.
    """

    def __init__(self, name: str, method: Callable[[], None], interval_s: float) -> None:
        self._interval_s = interval_s
        self._stopping = False
        self._woken = threading.Event()
        self._method = weakref.WeakMethod(method, lambda _: self._woken.set())
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Request a call now; returns at once. Requests during a call become one call after it."""
        self._woken.set()

    def stop(self) -> None:
        """Return when the method is not running and will not run again."""
        self._stopping = True
        self._woken.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._woken.wait(self._interval_s)
            self._woken.clear()
            method = self._method()
            if self._stopping or method is None:
                return
            try:
                method()
            except Exception:
                logger.exception("a background task failed and will be tried again")
            del method  # while waiting, the thread must not hold a reference to the object
