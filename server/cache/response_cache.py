"""A cache of answers to reads, valid until the tables that they were read from change.

Reading the versions of the tables takes a few microseconds; reading a list takes a transaction in a
thread. A request reads the versions first and the rows after that, so an entry contains every
change that its versions count. A client therefore reads its own writes through any process of the
server.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from novaql import QueryCancelled
from novaql.fast_dataclass import dataclass
from novaql.server.db.row_versions import RowVersions

Value = TypeVar("Value")
_LARGEST = 8
"""An entry may take up to 1/8 of the bytes of the cache."""


@dataclass(frozen=True, slots=True)
class Version:
    """The versions that an answer depends on.

    rows   the versions of the tenant's rows
    other  of all other data: the current second, or the version of the tenant's samples
    """

    rows: RowVersions
    other: Hashable = None

    def same(self, other: Version, tables: frozenset[str]) -> bool:
        """Return whether both versions lead to the same answer from these tables."""
        return self.other == other.other and self.rows.same(other.rows, tables)


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """A value that was read.

    tables  the tables that it was read from
    size    its bytes; None: do not cache it
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
    """A read that is in progress.

    number  greater than the numbers of all requests that had arrived when it began
    """

    number: int
    version: Version | None
    done: asyncio.Future[Any]


class ResponseCache:
    """Caches values of up to `most_bytes` in total, and evicts the least recently used. 0: caches
    none.

    One request at a time reads the value of a key. Requests that arrive meanwhile wait, and share a
    read that began after they arrived or at the version that they see. Simultaneous requests for a
    key therefore do not read in parallel, even while clients write. Not thread-safe: only for the
    event loop.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._numbers = itertools.count()

    async def get(self, key: Hashable, look: Look, read: Read[Value]) -> Value:
        """Return the value of a key.

        look  returns the current version; None: unknown, and the value is read
        read  reads the value

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
            if (same or flight.number > arrived) and not _abandoned(flight.done):
                shared: Value = flight.done.result()
                return shared

    async def _read(self, key: Hashable, version: Version | None, read: Read[Value]) -> Value:
        done: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._flights[key] = _Flight(next(self._numbers), version, done)
        try:
            reading = await read()
        except Exception as problem:
            done.set_exception(problem)
            done.exception()  # marks it as retrieved, in case no other request waits
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


def _abandoned(done: asyncio.Future[Any]) -> bool:
    """Return whether a read ended without a value because its own client left."""
    return done.cancelled() or isinstance(done.exception(), QueryCancelled)
