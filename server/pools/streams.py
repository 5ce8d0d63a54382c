"""Streams of events that are open in this process, bounded for each tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from novaql.server.errors import RateLimited

RETRY_S = 5
"""When a client without a stream may try again."""


class Streams:
    """Counts the open streams of each tenant. Not thread-safe: only for the event loop."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def open_of(self, tenant: str) -> int:
        """Return the number of open streams of a tenant."""
        return self._open[tenant]

    @contextmanager
    def opened(self, tenant: str, most: int) -> Iterator[None]:
        """Count a stream during the block. Raises `RateLimited` if `most` are open; 0: no limit."""
        if 0 < most <= self._open[tenant]:
            raise RateLimited(
                f"{most} streams of events are open, which is the limit; close one",
                code="too_many_streams",
                headers={"Retry-After": str(RETRY_S)},
            )
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]
