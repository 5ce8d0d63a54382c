"""Answers to reads, used again until the tables that they were read from change.

A look at the versions costs a few microseconds; reading a list costs a transaction in a thread. An
entry was read after its versions were looked at, so it holds everything that was committed
under them: a client reads its own write, through any process of the server.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from novaql.server.db.row_versions import RowVersions

Value = TypeVar("Value")
_LARGEST = 8
"""The largest entry takes one in so many bytes of the cache."""


@dataclass(frozen=True, slots=True)
class Version:
    """What answers depend on, as one look sees it.

    rows   the versions of the tenant's rows
    other  of all else: the second, or the version of its samples
    """

    rows: RowVersions
    other: Hashable = None

    def same(self, other: Version, tables: frozenset[str]) -> bool:
        """Whether an answer that was read from some tables is the same under both."""
        return self.other == other.other and self.rows.same(other.rows, tables)


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """What was read.

    tables  that it was read from
    size    bytes that it takes; None: it is not to be cached
    """

    value: Value
    tables: frozenset[str]
    size: int | None


Look = Callable[[], Awaitable[Version | None]]
Read = Callable[[], Awaitable[Reading[Value]]]


@dataclass(frozen=True, slots=True)
class _Entry:
    version: Version
    reading: Reading[Any]
    size: int


@dataclass(frozen=True, slots=True)
class _Flight:
    """A read that is under way.

    number  greater than those of the requests that had arrived when it began
    """

    number: int
    version: Version | None
    done: asyncio.Future[Any]


class ResponseCache:
    """Values of up to `most_bytes` together; the least recently used are evicted. 0: caches none.

    One request at a time reads the value of a key. Those that arrive meanwhile wait, and share
    what was begun after they arrived or under the version that they see. So a crowd does not
    read side by side, not even beside a stream of writes. Used on the event loop only.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._numbers = itertools.count()

    async def get(self, key: Hashable, look: Look, read: Read[Value]) -> Value:
        """The value of a key.

        look  the version that it has now; None: that cannot be found out, and it is read
        read  reads it

        Values are shared and must not be changed. Raises what `read` raises.
        """
        arrived = next(self._numbers)
        while True:
            version = await look()
            entry = self._entries.get(key)
            if (
                entry is not None
                and version is not None
                and entry.version.same(version, entry.reading.tables)
            ):
                self._entries.move_to_end(key)
                cached: Value = entry.reading.value
                return cached
            flight = self._flights.get(key)
            if flight is None:
                return await self._read(key, version, read)
            await asyncio.wait({flight.done})
            same = version is not None and flight.version == version
            if (same or flight.number > arrived) and not flight.done.cancelled():
                shared: Value = flight.done.result()
                return shared

    async def _read(self, key: Hashable, version: Version | None, read: Read[Value]) -> Value:
        done: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._flights[key] = _Flight(next(self._numbers), version, done)
        try:
            reading = await read()
        except Exception as problem:
            done.set_exception(problem)
            done.exception()  # marks it as retrieved: perhaps no other request waits
            raise
        else:
            done.set_result(reading.value)
            if version is not None and reading.size is not None:
                self._insert(key, _Entry(version, reading, reading.size))
            return reading.value
        finally:
            done.cancel()  # has an effect only if this request was cancelled
            del self._flights[key]

    def _insert(self, key: Hashable, entry: _Entry) -> None:
        if (old := self._entries.pop(key, None)) is not None:
            self._bytes -= old.size
        if entry.size * _LARGEST > self._most:
            return
        while self._bytes + entry.size > self._most:
            _, evicted = self._entries.popitem(last=False)
            self._bytes -= evicted.size
        self._entries[key] = entry
        self._bytes += entry.size
