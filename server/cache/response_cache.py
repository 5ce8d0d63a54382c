"""Answers to reads, used again while the tenant's rows and samples have the same version.

A look at the version costs a few microseconds; reading a list costs a transaction in a thread. An
entry was read after its version was looked at, so it holds everything that was committed
under that version: a client reads its own write, through any process of the server.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

Value = TypeVar("Value")
_LARGEST = 8
"""The largest entry takes one in so many bytes of the cache."""


Version = Hashable
Look = Callable[[], Awaitable[Version | None]]


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
        self._entries: OrderedDict[Hashable, tuple[Version, Any, int]] = OrderedDict()
        self._flights: dict[Hashable, _Flight] = {}
        self._numbers = itertools.count()

    async def get(
        self,
        key: Hashable,
        look: Look,
        read: Callable[[], Awaitable[Value]],
        size_of: Callable[[Value], int | None],
    ) -> Value:
        """The value of a key.

        look     the version that it has now; None: that cannot be found out, and it is read
        read     reads it
        size_of  bytes that it takes; None: it is not to be cached

        Values are shared and must not be changed. Raises what `read` raises.
        """
        arrived = next(self._numbers)
        while True:
            version = await look()
            entry = self._entries.get(key)
            if entry is not None and entry[0] == version:
                self._entries.move_to_end(key)
                cached: Value = entry[1]
                return cached
            flight = self._flights.get(key)
            if flight is None:
                return await self._read(key, version, read, size_of)
            await asyncio.wait({flight.done})
            same = version is not None and flight.version == version
            if (same or flight.number > arrived) and not flight.done.cancelled():
                shared: Value = flight.done.result()
                return shared

    async def _read(
        self,
        key: Hashable,
        version: Version | None,
        read: Callable[[], Awaitable[Value]],
        size_of: Callable[[Value], int | None],
    ) -> Value:
        done: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._flights[key] = _Flight(next(self._numbers), version, done)
        try:
            value = await read()
        except Exception as problem:
            done.set_exception(problem)
            done.exception()  # marks it as retrieved: perhaps no other request waits
            raise
        else:
            done.set_result(value)
            size = size_of(value)
            if version is not None and size is not None:
                self._insert(key, version, value, size)
            return value
        finally:
            done.cancel()  # has an effect only if this request was cancelled
            del self._flights[key]

    def _insert(self, key: Hashable, version: Version, value: Any, size: int) -> None:
        if (old := self._entries.pop(key, None)) is not None:
            self._bytes -= old[2]
        if size * _LARGEST > self._most:
            return
        while self._bytes + size > self._most:
            _, (_, _, freed) = self._entries.popitem(last=False)
            self._bytes -= freed
        self._entries[key] = version, value, size
        self._bytes += size
