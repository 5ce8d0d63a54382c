"""Answers to reads, used again while the tenant's rows and samples have the same version.

A look at the version costs a few microseconds; reading a list costs a transaction in a thread. An
entry was read after its version was looked at, so it holds everything that was committed
under that version: a client reads its own write, through any process of the server.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")
_LARGEST = 8
"""The largest entry takes one in so many bytes of the cache."""


class ResponseCache:
    """Values of up to `most_bytes` together; the least recently used are evicted. 0: caches none.

    Requests for a value that another request reads under the same version wait for that one.
    Used on the event loop only.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[Hashable, tuple[Hashable, Any, int]] = OrderedDict()
        self._reading: dict[Hashable, asyncio.Future[Any]] = {}

    async def get(
        self,
        key: Hashable,
        version: Hashable | None,
        read: Callable[[], Awaitable[Value]],
        size_of: Callable[[Value], int | None],
    ) -> Value:
        """The value of a key under a version; None: it is read, and neither cached nor shared.

        read     reads it, in a state of the data that is not older than `version`
        size_of  bytes that it takes; None: it is not to be cached

        Values are shared and must not be changed. Raises what `read` raises.
        """
        if version is None:
            return await read()
        entry = self._entries.get(key)
        if entry is not None and entry[0] == version:
            self._entries.move_to_end(key)
            cached: Value = entry[1]
            return cached
        flight = (key, version)
        while (running := self._reading.get(flight)) is not None:
            await asyncio.wait({running})
            if not running.cancelled():
                shared: Value = running.result()
                return shared
        return await self._read(key, version, read, size_of)

    async def _read(
        self,
        key: Hashable,
        version: Hashable,
        read: Callable[[], Awaitable[Value]],
        size_of: Callable[[Value], int | None],
    ) -> Value:
        flight = (key, version)
        done: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._reading[flight] = done
        try:
            value = await read()
        except Exception as problem:
            done.set_exception(problem)
            done.exception()  # marks it as retrieved: perhaps no other request waits
            raise
        else:
            done.set_result(value)
            if (size := size_of(value)) is not None:
                self._insert(key, version, value, size)
            return value
        finally:
            done.cancel()  # has an effect only if this request was cancelled
            del self._reading[flight]

    def _insert(self, key: Hashable, version: Hashable, value: Any, size: int) -> None:
        if (old := self._entries.pop(key, None)) is not None:
            self._bytes -= old[2]
        if size * _LARGEST > self._most:
            return
        while self._bytes + size > self._most:
            _, (_, _, freed) = self._entries.popitem(last=False)
            self._bytes -= freed
        self._entries[key] = version, value, size
        self._bytes += size
