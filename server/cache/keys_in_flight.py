"""The Idempotency-Keys of requests that are at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from novaql.server.errors import Conflict


class KeysInFlight:
    """The keys that this process works on now: the second request with one is told at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[tuple[str, ...]] = set()

    @contextmanager
    def holding(self, *key: str) -> Iterator[None]:
        """Hold a key. Raises `Conflict` if somebody does already."""
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
    """The answer while the first request with a key is still being worked on."""
    return Conflict(
        "a request with this Idempotency-Key is being worked on; try again",
        code="idempotency_in_flight",
        headers={"Retry-After": "1"},
    )
