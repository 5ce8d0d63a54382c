"""Mixed reads at a steady rate against `novaql serve`: what clients wait, and what it costs.

    python -m benchmarks.load_http                          500 requests/s for 20 s
    python -m benchmarks.load_http --rate 800 --seconds 60
    python -m benchmarks.load_http --workers 2
    python -m benchmarks.load_http --only state             no queries: users, services, audit, …

Requests start when their time has come, whether or not earlier ones were answered, and their wait
counts from that time: a server that stalls is not asked less for it. The client is a process of its
own and shares the machine's cores with the server, so CPU seconds of both are told. Decides where
the time of a request goes that is not the query's.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

import click
import httpx
import numpy as np
import psutil

from benchmarks.datasets import START_MS, fleet
from benchmarks.senders import remote_write_messages

_HOURS = 1
_START = START_MS // 1000 + 600
_END = START_MS // 1000 + _HOURS * 3600 - 60
_RANGE = f'"start":{_START},"end":{_END},"step":"1m"'
_INSTANCE = 'instance=\\"host-0003:8080\\"'
_BUCKET = f'http_request_duration_seconds_bucket{{{_INSTANCE},le=\\"1\\",handler=\\"/\\"}}'
_SUM = "sum(rate(http_requests_total%7Bjob=%22job-3%22%7D%5B5m%5D))"

MIX: dict[str, tuple[int, str, str]] = {
    "state users": (2, "GET /v1/users?limit=20", ""),
    "state tokens": (1, "GET /v1/tokens", ""),
    "state services": (2, "GET /v1/services?limit=20", ""),
    "state service": (2, "GET /v1/services/service-7", ""),
    "state audit": (1, "GET /v1/audit?limit=20", ""),
    "query instant, 50 series": (
        3,
        "POST /v1/novaql",
        f'{{"query":"http_requests_total{{{_INSTANCE}}}","time":{_END}}}',
    ),
    "query range, 1 series": (
        2,
        "POST /v1/novaql",
        f'{{"query":"rate({_BUCKET}[5m])",{_RANGE}}}',
    ),
    "query range, sum of 100": (
        1,
        f"GET /prometheus/api/v1/query_range?query={_SUM}&start={_START}&end={_END}&step=60",
        "",
    ),
    "query count": (
        2,
        f"GET /prometheus/api/v1/query?query=count(capacity_requests)&time={_END}",
        "",
    ),
    "query labels": (1, "GET /prometheus/api/v1/labels", ""),
    "query values": (1, "GET /prometheus/api/v1/label/job/values", ""),
}
"""Name: weight, the request's target, its body."""


class Connection(asyncio.Protocol):
    """One connection that is kept alive; it answers one request at a time."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._waiting: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def ask(self, request: bytes) -> int:
        """The status of the answer, once all of it is here."""
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        if head < 0:
            return
        said = bytes(self._got[:head]).lower()
        at = said.find(b"\r\ncontent-length:")
        assert at >= 0, "answers of the mix have a length"
        length = int(said[at + 17 :].split(b"\r\n", 1)[0])
        if len(self._got) < head + 4 + length:
            return
        del self._got[: head + 4 + length]
        assert self._waiting is not None
        self._waiting.set_result(int(said[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed"))


async def load(
    port: int, requests: list[tuple[str, bytes]], rate: float, connections: int
) -> dict[str, list[float]]:
    """Milliseconds that each request waited, by its name and `name: status` if that was not 200."""
    loop = asyncio.get_running_loop()
    free = deque(
        [
            (await loop.create_connection(Connection, "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
    )
    room = asyncio.Semaphore(connections)
    took: dict[str, list[float]] = defaultdict(list)

    async def one(name: str, request: bytes, due: float) -> None:
        async with room:
            connection = free.popleft()
            status = await connection.ask(request)
            free.append(connection)
        took[name if status == 200 else f"{name}: {status}"].append((loop.time() - due) * 1000)

    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, (name, request) in enumerate(requests):
            due = began + number / rate
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(one(name, request, due))
    return took


def requests_of(count: int, token: str, only: str) -> list[tuple[str, bytes]]:
    """Requests of the mix in a random order that is always the same."""
    names = [name for name in MIX if name.startswith(only)]
    weights = np.array([MIX[name][0] for name in names], dtype=float)
    made = {}
    for name in names:
        _, target, body = MIX[name]
        head = f"{target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        made[name] = f"{head}\r\n{body}".encode()
    chosen = np.random.default_rng(7).choice(names, count, p=weights / weights.sum())
    return [(str(name), made[str(name)]) for name in chosen]


@contextmanager
def served(*arguments: str, database: str = "") -> Iterator[tuple[int, str, int]]:
    """A server with an hour of 1 000 request counters; its port, a token and its process id."""
    unlimited = {
        f"NOVAQL_{name}": "0"
        for name in (
            "RATE_PER_MINUTE",
            "RATE_PER_DAY",
            "PROMETHEUS_PER_MINUTE",
            "STRANGERS_PER_MINUTE",
        )
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "novaql.cli", "serve", "--data", folder),
            *("--listen", "127.0.0.1:0", "--log-level", "warning", *arguments),
        ]
        environ = os.environ | unlimited | ({"NOVAQL_DATABASE_URL": database} if database else {})
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline().rpartition(":")[2])
                server.stdout.readline()
                token = server.stdout.readline().strip()
                _fill(port, token)
                yield port, token, server.pid
            finally:
                server.terminate()
                server.wait()


def _fill(port: int, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, headers=bearer, timeout=60) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.2)
        for number in range(50):
            user = {"email": f"user{number}@example.com", "role": "operator"}
            service = {"name": f"service-{number}", "owner": "team", "tier": "2"}
            client.post("/v1/users", json=user).raise_for_status()
            client.post("/v1/services", json=service).raise_for_status()
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        for message in remote_write_messages(fleet(1000, _HOURS), together=20):
            answer = client.post("/prometheus/api/v1/write", content=message, headers=headers)
            answer.raise_for_status()


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and its children."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


@click.command()
@click.option("--rate", default=500.0, show_default=True, help="Requests a second.")
@click.option("--seconds", default=20.0, show_default=True)
@click.option("--connections", default=32, show_default=True)
@click.option("--only", default="", help="Only requests whose name begins so: state, query.")
@click.option("--workers", default=1, show_default=True)
@click.option("--database", default="", help="A PostgreSQL URL instead of SQLite.")
@click.option("--rounds", default=1, show_default=True)
def main(
    rate: float,
    seconds: float,
    connections: int,
    only: str,
    workers: int,
    database: str,
    rounds: int,
) -> None:
    """Measure, and print a table."""
    arguments = [] if workers == 1 else ["--workers", str(workers)]
    with served(*arguments, database=database) as (port, token, pid):
        asyncio.run(load(port, requests_of(int(2 * rate), token, only), rate / 2, connections))
        time.sleep(2)
        for _ in range(rounds):
            requests = requests_of(int(rate * seconds), token, only)
            before, own, began = cpu_of(pid), time.process_time(), time.perf_counter()
            took = asyncio.run(load(port, requests, rate, connections))
            wall = time.perf_counter() - began
            cpu, own = cpu_of(pid) - before, time.process_time() - own
            every = np.concatenate([np.array(ms) for ms in took.values()])
            click.echo(
                f"{len(every) / wall:.0f} requests/s for {wall:.1f} s; server {cpu:.1f} CPU s "
                f"({cpu / len(every) * 1000:.2f} ms a request), client {own:.1f} CPU s"
            )
            click.echo(f"{'':28}{'count':>7}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}  ms")
            for name, ms in [("all", every.tolist()), *sorted(took.items())]:
                shown = "".join(f"{x:8.1f}" for x in (*np.percentile(ms, [50, 95, 99]), max(ms)))
                click.echo(f"{name:28}{len(ms):7}{shown}")


if __name__ == "__main__":
    main()
