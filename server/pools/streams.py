"""Open streams of events, bounded for each tenant over all processes of a server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from novaql.server.errors import RateLimited

Found = TypeVar("Found")
RETRY_S = 5
"""When a client without a stream may try again."""


class SharedTally(Protocol):
    """Counts that all processes of a server share (`process/connections.py`)."""

    def count_of(self, address: str) -> int: ...

    def enter_address(self, address: str) -> bool: ...

    def leave_address(self, address: str) -> None: ...


class Streams:
    """Counts the open streams of each tenant, and shares their checks for changes. Not thread-safe:
    only for the event loop.

    shared  counts of all processes; None: this process is the only one that has streams. Several
            processes that open a stream at the same instant may exceed the limit by one each.
    """

    def __init__(self, shared: SharedTally | None = None) -> None:
        self.shared = shared
        self._open: Counter[str] = Counter()
        self._reads: dict[str, tuple[float, asyncio.Task[Any]]] = {}

    def open_of(self, tenant: str) -> int:
        """Return the number of open streams of a tenant in this process."""
        return self._open[tenant]

    def _in_all(self, tenant: str) -> int:
        return self._open[tenant] if self.shared is None else self.shared.count_of(tenant)

    @contextmanager
    def opened(self, tenant: str, most: int) -> Iterator[None]:
        """Count a stream during the block. Raises `RateLimited` if `most` are open; 0: no limit."""
        if 0 < most <= self._in_all(tenant):
            raise RateLimited(
                f"{most} streams of events are open, which is the limit; close one",
                code="too_many_streams",
                headers={"Retry-After": str(RETRY_S)},
            )
        self._open[tenant] += 1
        if self.shared is not None:
            self.shared.enter_address(tenant)
        try:
            yield
        finally:
            if self.shared is not None:
                self.shared.leave_address(tenant)
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]
                self._reads.pop(tenant, None)

    async def shared_read(
        self, tenant: str, age_s: float, read: Callable[[], Coroutine[Any, Any, Found]]
    ) -> Found:
        """Return what `read` finds. All streams of a tenant share one read, which began at most
        `age_s` ago."""
        now = asyncio.get_running_loop().time()
        at, task = self._reads.get(tenant, (0.0, None))
        if task is None or now - at > age_s:
            task = asyncio.ensure_future(read())
            self._reads[tenant] = now, task
        found: Found = await asyncio.shield(task)
        return found
