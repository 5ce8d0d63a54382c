"""The cache of the library: bounded, and evicts the least recently used entries."""

from __future__ import annotations

import itertools
import operator
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence, Set
from dataclasses import astuple
from functools import lru_cache, wraps
from typing import Any, Generic, ParamSpec, TypeVar

from novaql.fast_dataclass import dataclass

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")

DEFAULT_CACHE_BYTES = 768 << 20

CALLS_UNTIL_UNUSED = 2
"""Calls of `release_unused` after which a value without any use is removed. A use before the first
of them does not count, since the query that stored the value may need it several times …"""
CALLS_SINCE_USE = 15
"""… and calls since the last use after which a value that was used is removed."""
_USES = itertools.count()
"""Numbers the uses of all caches, so that those of two caches can be compared."""
RELEASED_AT_ONCE = 512
"""Values that `release_unused` checks while it holds the lock: less than a millisecond."""


def cache_of_short(
    most: int, *, longest: int = 1024
) -> Callable[[Callable[Arguments, Value]], Callable[Arguments, Value]]:
    """Cache the results of a function of texts that clients choose.

    most     entries; the least recently used one is evicted
    longest  length of the texts of a call together above which it is not cached
    """

    def decorate(function: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
        cached = lru_cache(maxsize=most)(function)

        @wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
            if sum(len(each) for each in args if isinstance(each, str | bytes)) > longest:
                return function(*args, **kwargs)
            return cached(*args, **kwargs)  # type: ignore[arg-type]  # hashable

        return call

    return decorate


def text_bytes(key: object) -> int:
    """Return the bytes of the texts in a key: of a text, of an object with `text_bytes`, and of the
    elements of a tuple or a set."""
    if isinstance(key, str):
        return len(key)
    if isinstance(key, tuple | frozenset):
        return sum(map(text_bytes, key))
    found: int = getattr(key, "text_bytes", 0)
    return found


@dataclass(slots=True, eq=False)
class _Entry(Generic[Value]):
    """A value, its size, and the `release_unused` calls before its last use, or before it was
    stored; used: after such a call; last_use: of `_USES`, likewise."""

    value: Value
    size: int
    calls: int
    last_use: int
    used: bool = False


@dataclass(frozen=True, slots=True)
class CacheStats:
    """hits and misses since the start; entries and bytes now; limit: of bytes."""

    hits: int
    misses: int
    entries: int
    bytes: int
    limit: int

    def __add__(self, other: CacheStats) -> CacheStats:
        return CacheStats(*map(operator.add, astuple(self), astuple(other)))


class ByteCache(Generic[Value]):
    """A cache that evicts the least recently used entries. Thread-safe.

    limit    largest total size; the cache does not store a value larger than half of it. 0: it
             stores nothing
    size_of  size of a value, in bytes; its `nbytes` if not given. `each`: all values have size 1,
             so that `limit` is a number of entries
    of_text  keys have texts of queries, which may have a megabyte, and count too
    """

    def __init__(
        self,
        limit: int,
        size_of: Callable[[Value], int] = operator.attrgetter("nbytes"),
        *,
        of_text: bool = False,
    ) -> None:
        self.limit = limit
        self._size_of = size_of
        self._of_text = of_text
        self._entries: OrderedDict[Hashable, _Entry[Value]] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = self._hits = self._misses = self._calls = 0
        self.shared: SharedLimit | None = None
        """The limit of this cache and others together, beside its own."""
        self.stored: Callable[[int], None] = ignored
        """Called with the size of each value after it was stored."""

    @property
    def nbytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Value | None:
        """Return the value of a key, which is now the most recently used, or None."""
        if self.limit <= 0:
            return None
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            found.used = found.used or found.calls != self._calls
            found.calls, found.last_use = self._calls, next(_USES)
            return found.value

    def __contains__(self, key: Hashable) -> bool:
        """Return whether a value is cached. This does not count as a use."""
        return key in self._entries

    def without(self, keys: Sequence[Hashable]) -> list[bool]:
        """Return for each key whether it is absent. This does not count as a use."""
        if self.limit <= 0:
            return [True] * len(keys)
        with self._lock:
            entries = self._entries
            absent = [key not in entries for key in keys]
            self._misses += sum(absent)
        return absent

    def accepts(self, size: int) -> bool:
        """Return whether `put` stores a value of this size."""
        return self.limit > 0 and size <= self.limit // 2

    def put(self, key: Hashable, value: Value) -> None:
        """Store a value, in place of an earlier one. If it grows afterwards, call `grow`."""
        size = self._size_of(value) + (text_bytes(key) if self._of_text else 0)
        with self._lock:
            self._discard(key)
            if not self.accepts(size):
                return
            self._entries[key] = _Entry(value, size, self._calls, next(_USES))
            self._bytes += size
            while self._bytes > self.limit:
                self._evict_oldest()
        self._share(size)

    def grow(self, key: Hashable, size: int) -> None:
        """Add bytes to the size of a value, if it is still cached. It may be evicted itself."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return
            entry.size += size
            self._bytes += size
            while self._bytes > self.limit:
                self._evict_oldest()
        self._share(size)

    def _share(self, size: int) -> None:
        if self.shared is not None:
            self.shared.enforce()
        self.stored(size)

    def oldest_use(self) -> int | None:
        """Return a number for the last use of the least recently used value, which is smaller than
        those of later uses in any cache; None if the cache is empty."""
        with self._lock:
            return next(iter(self._entries.values())).last_use if self._entries else None

    def evict_oldest(self) -> int:
        """Remove the least recently used value, if there is one. Returns its size."""
        with self._lock:
            return self._evict_oldest() if self._entries else 0

    def _evict_oldest(self) -> int:
        _, evicted = self._entries.popitem(last=False)
        self._bytes -= evicted.size
        return evicted.size

    def release_unused(self) -> None:
        """Remove values without a use during several calls; fewer calls if they were never used.
        Call it at intervals of about a minute."""
        with self._lock:
            self._calls += 1
            keys = list(self._entries)
        for first in range(0, len(keys), RELEASED_AT_ONCE):
            with self._lock:
                for key in keys[first : first + RELEASED_AT_ONCE]:
                    entry = self._entries.get(key)
                    if entry is not None and self._is_unused(entry):
                        self._discard(key)

    def _is_unused(self, entry: _Entry[Value]) -> bool:
        most = CALLS_SINCE_USE if entry.used else CALLS_UNTIL_UNUSED
        return self._calls - entry.calls > most

    def remove(self, unwanted: Callable[[Any], bool]) -> None:
        """Remove the entries whose keys are unwanted."""
        with self._lock:
            for key in [key for key in self._entries if unwanted(key)]:
                self._discard(key)

    def discard(self, key: Hashable) -> None:
        """Remove the value of a key, if there is one."""
        with self._lock:
            self._discard(key)

    def _discard(self, key: Hashable) -> None:
        old = self._entries.pop(key, None)
        if old is not None:
            self._bytes -= old.size

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def stats(self) -> CacheStats:
        with self._lock:
            return CacheStats(self._hits, self._misses, len(self._entries), self._bytes, self.limit)


class SharedLimit:
    """A limit of bytes for several caches, of which the one with the least recently used value
    evicts it. What is used often is cached, whichever cache it is in. Thread-safe."""

    def __init__(self, limit: int, *caches: ByteCache[Any]) -> None:
        self.limit = limit
        # The caches refer to this object. A cycle would hold them, and through an index the open
        # files of a store that was not closed, until a collection of garbage.
        self._caches = [weakref.ref(cache) for cache in caches]
        for cache in caches:
            cache.shared = self

    def enforce(self) -> None:
        """Evict until the values of all caches fit."""
        caches = [cache for held in self._caches if (cache := held()) is not None]
        while sum(cache.nbytes for cache in caches) > self.limit:
            uses = [(cache.oldest_use(), n) for n, cache in enumerate(caches)]
            filled = [(use, n) for use, n in uses if use is not None]
            if not filled:
                return
            caches[min(filled)[1]].evict_oldest()


def mentions(key: Hashable, names: Set[Hashable]) -> bool:
    """Return whether a key is one of these names, or a tuple that contains one at any depth."""
    if key in names:
        return True
    return isinstance(key, tuple) and any(mentions(part, names) for part in key)


def ignored(_: int) -> None:
    """Do nothing with a size: for a cache that shares no budget, or a value that is in no cache."""


def each(_: object) -> int:
    """The size of values of which the cache counts the entries."""
    return 1
