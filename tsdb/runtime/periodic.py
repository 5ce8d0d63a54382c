"""A thread that calls something every so often, or when woken, as long as its owner lives."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import Any

log = logging.getLogger("tsdb")


class PeriodicTask:
    """Calls a method of `owner` every `interval_s` seconds and after each `wake()`.

    Holds the owner weakly: a database that nobody refers to any more can go away. An error of
    the method is logged, and the thread goes on.
    """

    def __init__(self, owner: object, method: str, interval_s: float) -> None:
        self._interval = interval_s
        self._stopping = False
        self._woken = threading.Event()
        self._owner = weakref.ref(owner, lambda _: self._woken.set())
        self._method = method
        self._thread = threading.Thread(target=self._run, name=f"tsdb-{method}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """Return when the method is not running and will not run again."""
        self._stopping = True
        self._woken.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._woken.wait(self._interval)
            self._woken.clear()
            owner: Any = self._owner()
            if self._stopping or owner is None:
                return
            try:
                getattr(owner, self._method)()
            except Exception:
                log.exception("background work failed and will be tried again")
            del owner
