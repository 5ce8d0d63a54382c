"""Cancellation of a running query."""

from __future__ import annotations

import time

from novaql.errors import QueryCancelled, QueryTimeout


class Cancellation:
    """Cancels a query from any thread; the query raises `QueryCancelled` at its next checkpoint."""

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        return self._cancelled


class Running:
    """A query that runs: what its checkpoints check."""

    def __init__(self, cancellation: Cancellation | None, timeout_s: float | None) -> None:
        self._cancellation, self._timeout_s = cancellation, timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s

    def checkpoint(self) -> None:
        """Raise if the query is cancelled or out of time; called between batches and operators."""
        if self._cancellation is not None and self._cancellation.cancelled:
            raise QueryCancelled("the query was cancelled")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise QueryTimeout(f"the query took longer than its timeout of {self._timeout_s:g} s")
