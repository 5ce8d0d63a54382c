"""Floods: requests of a tenant that uses as much of the server as it can, for tests and for
measurements."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:  # the process of the clients does not need it, and starts faster without it
    from tests.support.abuse.rig import AbuseRig

Body = Callable[[int], bytes]
_PATIENCE_S = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Flood:
    """One request that each of many clients sends again and again, as soon as it has the answer.

    The clients use little CPU time (asyncio streams, a request is built once), so that the effects
    are those of the server's shares, not of the operating system's.

    path   of the requests, which are POSTs
    body   the body of a client, by its number
    after  the body that it sends once at the end, if any
    fresh  each request has its own number, so that no answer is cached
    """

    path: str
    body: Body
    role: str
    clients: int
    after: Body | None = None
    media: str = "application/json"
    fresh: bool = False

    def run(self, rig: AbuseRig, seconds: float) -> Counter[int]:
        """Flood a server for a while; return the statuses, 0 for requests without an answer.

        The clients run in a separate process, so that the quiet tenant's client does not wait for
        them.
        """
        secret = {role.value: secret for role, secret in rig.noisy.items()}[self.role]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
            return other.submit(self._flood, rig.server.url, secret, seconds).result()

    def _flood(self, url: str, secret: str, seconds: float) -> Counter[int]:
        return asyncio.run(self._all(url, secret, seconds))

    async def _all(self, url: str, secret: str, seconds: float) -> Counter[int]:
        end, statuses = asyncio.get_running_loop().time() + seconds, Counter[int]()
        await asyncio.gather(
            *(self._one(url, secret, number, end, statuses) for number in range(self.clients))
        )
        return statuses

    async def _one(
        self, url: str, secret: str, number: int, end: float, statuses: Counter[int]
    ) -> None:
        client, loop = _Client(url, secret, self), asyncio.get_running_loop()
        sent = number + (time.time_ns() if self.fresh else 0)
        request = client.request(self.body(sent))
        while loop.time() < end:
            statuses[await client.ask(request)] += 1
            if self.fresh:
                sent += self.clients
                request = client.request(self.body(sent))
        if self.after is not None:
            await client.ask(client.request(self.after(number)))
        client.close()


class _Client:
    """One connection, opened again when the server closes it."""

    def __init__(self, url: str, secret: str, flood: Flood) -> None:
        self._host = urlsplit(url)
        self._head = (
            f"POST {flood.path} HTTP/1.1\r\nHost: {self._host.netloc}\r\n"
            f"Authorization: Bearer {secret}\r\nContent-Type: {flood.media}\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def request(self, body: bytes) -> bytes:
        return f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def ask(self, request: bytes) -> int:
        """Send a request; return the status, 0 if there is no answer in time."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._ask(request)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0

    async def _ask(self, request: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host.hostname, self._host.port)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = int(head[9:12]), _LENGTH.search(head)
        assert length is not None or status == 204, head
        if length is not None:
            await reader.readexactly(int(length[1]))
        return status

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def query(number: int) -> bytes:
    # A subquery of 3.6 million steps, which reads no samples and so counts as small at first.
    text = f"sum_over_time(vector({number} + time())[1h:1s])"
    return _json({"query": text, "start": 0, "end": 999 * 600, "step": 600})


def small_query(_: int) -> bytes:
    return _json({"query": "1 + 1"})


def dashboard(number: int) -> bytes:
    names = ["a", "b", "c", "d"]
    values = [{"name": name, "type": "custom", "values": ["1m"]} for name in names]
    # Each query parses only with the last of 81 kinds of values.
    last = " + ".join(f"rate(x[${name}])" for name in names)
    panels = [
        {
            "title": f"P{n}",
            "type": "timeseries",
            "queries": [{"expr": f"{last} + {n}.{m}"} for m in range(26)],
            "grid": {"x": 0, "y": n, "w": 1, "h": 1},
        }
        for n in range(60)
    ]
    return _json({"title": f"D{number}", "variables": values, "panels": panels})


def rule_file(number: int) -> bytes:
    groups = "".join(
        f"- {{name: g{n}, interval: 1s, rules: [{{record: 'a:b', expr: 'sum(rate(x[5m]))'}}]}}\n"
        for n in range(400)
    )
    return _json({"file": f"f{number}.yml", "document": "groups:\n" + groups})


def no_rules(number: int) -> bytes:
    return _json({"file": f"f{number}.yml", "document": "groups: []"})


def written(number: int) -> bytes:
    return "".join(f'noise{{n="{number}",i="{i}"}} 1\n' for i in range(20_000)).encode()


FLOODS = {
    "large queries": Flood("/v1/novaql", query, "read_only", 80, fresh=True),
    "small queries": Flood("/v1/novaql", small_query, "read_only", 80),
    "dashboards": Flood("/v1/dashboards", dashboard, "operator", 8),
    "rule files": Flood("/v1/alert-rules/import", rule_file, "operator", 6, no_rules),
    "writes": Flood("/api/v1/import/prometheus", written, "operator", 8, media="text/plain"),
}
