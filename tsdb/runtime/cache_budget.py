"""A limit of bytes that several caches share, such as those of all stores of a server."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

from novaql.tsdb.runtime.lru_cache import ByteCache

_STEP = 64
"""The sizes of the caches are added up each time that they have stored this fraction of the
limit."""


class CacheBudget:
    """If the caches would exceed the limit, the largest one evicts its least recently used values.
    Stores that read much therefore do not evict from stores with small caches. Thread-safe.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._step = limit // _STEP
        self._caches: WeakSet[ByteCache[Any]] = WeakSet()
        self._stored = 0
        """Bytes since the caches were last added up."""
        self._lock = threading.Lock()

    def share(self, caches: Iterable[ByteCache[Any]]) -> None:
        """Add caches, as long as they exist."""
        with self._lock:
            for cache in caches:
                cache.stored = self._note
                self._caches.add(cache)

    def _note(self, size: int) -> None:
        with self._lock:
            self._stored += size
            if self._stored > self._step:
                self._stored = 0
                self._evict()

    def _evict(self) -> None:
        """Evict until another step fits."""
        largest = [(-cache.nbytes, n, cache) for n, cache in enumerate(self._caches)]
        excess = -sum(size for size, _, _ in largest) - (self.limit - self._step)
        heapq.heapify(largest)
        while excess > 0 and largest[0][0] < 0:
            _, n, cache = largest[0]
            excess -= cache.evict_oldest()
            heapq.heapreplace(largest, (-cache.nbytes, n, cache))
