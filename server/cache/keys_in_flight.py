"""Idempotency-Keys of requests that run now."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from novaql.server.errors import Conflict


class KeysInFlight:
    """The keys of running requests in this process. A second request with such a key is rejected at
    once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[tuple[str, ...]] = set()

    @contextmanager
    def holding(self, *key: str) -> Iterator[None]:
        """Hold a key during the block. Raises `Conflict` if another request holds it."""
        with self._lock:
            if key in self._keys:
                raise in_flight()
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


def in_flight() -> Conflict:
    """Return the error for a key whose first request still runs."""
    return Conflict(
        "a request with this Idempotency-Key is being worked on; try again",
        code="idempotency_in_flight",
        headers={"Retry-After": "1"},
    )
