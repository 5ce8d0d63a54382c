"""The control plane: the domains with their routes, their jobs and events. A thread builds it.

Its modules take longer to import than all others together. The server listens, and answers the
routes of `data_routes.py`, before they are imported; requests for other paths wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from novaql.server.http.index import RouteIndex

if TYPE_CHECKING:
    from novaql.server.control_parts import ControlParts


class ControlPlane:
    """Builds the control plane once. Thread-safe.

    build  imports and creates it, in a thread
    """

    def __init__(self, build: Callable[[], ControlParts]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._parts: Future[ControlParts] | None = None

    def begin(self) -> Future[ControlParts]:
        """Begin to build, at the first call. Return the future of the parts."""
        with self._lock:
            if self._parts is None:
                thread = ThreadPoolExecutor(1, thread_name_prefix="control-plane")
                self._parts = thread.submit(self._build)
                thread.shutdown(wait=False)
            return self._parts

    def check(self) -> None:
        """Raise the error of a build that has failed."""
        if self._parts is not None and self._parts.done():
            self._parts.result()

    async def built(self) -> ControlParts:
        """Return the parts. Wait until they are built."""
        parts = self.begin()
        # Shielded: a request that is cancelled must not cancel the build.
        return parts.result() if parts.done() else await asyncio.shield(asyncio.wrap_future(parts))

    async def routes(self) -> RouteIndex:
        """Return the index of all routes. Wait until it is built."""
        return (await self.built()).index
