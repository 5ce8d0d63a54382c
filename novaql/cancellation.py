"""How a running query is told to stop."""

from __future__ import annotations


class Cancellation:
    """Set from any thread; the query stops at its next checkpoint with `QueryCancelled`."""

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        return self._cancelled
