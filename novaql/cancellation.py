"""How a running query is told to stop."""

from __future__ import annotations

import threading


class Cancellation:
    """Set from any thread; the query stops at its next checkpoint with `QueryCancelled`."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()
