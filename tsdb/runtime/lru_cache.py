"""A thread-safe cache that is bounded by bytes, with least-recently-used eviction."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")

DEFAULT_CACHE_BYTES = 768 << 20


@dataclass(frozen=True, slots=True)
class CacheStats:
    """hits and misses since the start; current entries and bytes; `limit` in bytes."""

    hits: int
    misses: int
    entries: int
    bytes: int
    limit: int

    def __add__(self, other: CacheStats) -> CacheStats:
        return CacheStats(
            self.hits + other.hits,
            self.misses + other.misses,
            self.entries + other.entries,
            self.bytes + other.bytes,
            self.limit + other.limit,
        )


class ByteCache(Generic[Value]):
    """A least-recently-used cache bounded by bytes, for any thread. With limit 0 it stores
    nothing."""

    def __init__(self, limit: int, size_of: Callable[[Value], int]) -> None:
        self.limit = limit
        self._size_of = size_of
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = self._hits = self._misses = 0

    def get(self, key: Hashable) -> Value | None:
        if self.limit <= 0:
            return None
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return found[0]

    def without(self, keys: Sequence[Hashable]) -> list[bool]:
        """Return the keys that are not in the cache, without marking the others as used."""
        if self.limit <= 0:
            return [True] * len(keys)
        with self._lock:
            entries = self._entries
            absent = [key not in entries for key in keys]
            self._misses += sum(absent)
        return absent

    def put(self, key: Hashable, value: Value) -> None:
        size = self._size_of(value)
        if size > self.limit // 2:
            return
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._bytes -= old[1]
            self._entries[key] = (value, size)
            self._bytes += size
            while self._bytes > self.limit:
                _, (_, freed) = self._entries.popitem(last=False)
                self._bytes -= freed

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def stats(self) -> CacheStats:
        with self._lock:
            return CacheStats(self._hits, self._misses, len(self._entries), self._bytes, self.limit)
