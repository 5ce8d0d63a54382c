"""Cancellation of a running query."""

from __future__ import annotations


class Cancellation:
    """Cancels a query from any thread; the query raises `QueryCancelled` at its next checkpoint."""

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        return self._cancelled
