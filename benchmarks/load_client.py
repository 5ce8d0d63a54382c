"""An open-loop client: requests are due at times that do not depend on any answer.

A closed loop, in which the next request waits for an answer, sends fewer requests to a slow server
and omits the waits that clients would have had (coordinated omission; Gil Tene, "How NOT to Measure
Latency", 2015). Here the due times are drawn before, evenly or as a Poisson process, and a wait
counts from the due time to the answer's last byte: it includes the wait for a free connection and
the lateness of this client itself. The output also has the lateness, which shows figures that the
client causes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np


class Connection(asyncio.Protocol):
    """One persistent connection; it answers one request at a time."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._wanted = 0
        self._status = 0
        self._waiting: asyncio.Future[int] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is not a subclass

    async def ask(self, request: bytes) -> int:
        """Send a request; return the status once the whole answer has arrived."""
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._wanted:
            head = self._got.find(b"\r\n\r\n")
            if head < 0:
                return
            fields = bytes(self._got[: head + 2]).lower()
            at = fields.find(b"\r\ncontent-length:")
            assert at >= 0, "answers of the mix have a length"
            self._wanted = head + 4 + int(fields[at + 17 : fields.index(b"\r\n", at + 2)])
            self._status = int(fields[9:12])
        if len(self._got) < self._wanted:
            return
        self._got.clear()
        self._wanted = 0
        assert self._waiting is not None
        self._waiting.set_result(self._status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed"))


@dataclass(slots=True)
class Seen:
    """Milliseconds: the wait of each request, by its name, and how late the client sent each
    request.

    A status other than 200 follows the name.
    """

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    late: list[float] = field(default_factory=list)


def due_times(count: int, rate: float, *, poisson: bool, seed: int = 11) -> list[float]:
    """Seconds from the beginning at which requests are due."""
    if not poisson:
        return [number / rate for number in range(count)]
    gaps = np.random.default_rng(seed).exponential(1 / rate, count)
    due: list[float] = np.cumsum(gaps).tolist()
    return due


async def load(
    port: int, requests: Sequence[tuple[str, bytes]], due: Sequence[float], connections: int
) -> Seen:
    """Send each request when it is due, on the first connection that is free."""
    loop = asyncio.get_running_loop()
    free = deque(
        [
            (await loop.create_connection(Connection, "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
    )
    slots = asyncio.Semaphore(connections)
    seen = Seen()

    async def one(name: str, request: bytes, at: float) -> None:
        async with slots:
            connection = free.popleft()
            status = await connection.ask(request)
            free.append(connection)
        waited = (loop.time() - at) * 1000
        seen.waits[name if status == 200 else f"{name}: {status}"].append(waited)

    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for (name, request), offset in zip(requests, due, strict=True):
            at = began + offset
            wait = at - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            seen.late.append(max(0.0, loop.time() - at) * 1000)
            group.create_task(one(name, request, at))
    return seen
