"""A server with a noisy and a quiet tenant, and the effects on the quiet one."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from novaql.server.auth.roles import Role
from tests.support.servers.http_server import ServerProcess, server_process
from tests.support.servers.memory_limit import forget_peaks, memory_limit, peak_bytes
from tests.support.servers.state_databases import postgresql_url
from tests.support.servers.tenant_client import admin

MEMORY_BYTES = 2 << 30
HANG_S = 60.0
"""A request of the quiet tenant that has no answer by then counts as hanging."""

_SHARED_BYTES = 128 << 20
"""A server in its own process imports more than this. A fork shares these pages with its parent,
and a control group does not count them."""

_CALM = 5
"""The number of consecutive pairs of quick answers after which the server counts as recovered."""


@dataclass
class Noticed:
    """The outcomes of the quiet tenant's requests, in the order in which they were sent.

    query_statuses, write_statuses  HTTP statuses; 0: no answer
    query_s, write_s                the duration of each
    peak_bytes                      the most that the server's processes held, each at its peak
    recovered_s                     from the end of the abuse until answers were quick again
    """

    query_statuses: list[int] = field(default_factory=list)
    write_statuses: list[int] = field(default_factory=list)
    query_s: list[float] = field(default_factory=list)
    write_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    recovered_s: float = 0.0

    @property
    def statuses(self) -> Counter[int]:
        return Counter(self.query_statuses + self.write_statuses)

    @property
    def slowest_s(self) -> float:
        return max(self.query_s + self.write_s, default=0.0)

    def assert_unharmed(self, *, memory_bytes: int = MEMORY_BYTES) -> None:
        """Assert that all answers of the quiet tenant were good, none hung, and the memory
        sufficed."""
        assert self.query_statuses, "the quiet tenant sent nothing"
        assert set(self.query_statuses) == {200}, self.statuses
        assert set(self.write_statuses) == {204}, self.statuses
        assert self.slowest_s < HANG_S
        assert self.peak_bytes < memory_bytes
        assert self.recovered_s < HANG_S, self.recovered_s


@dataclass
class AbuseRig:
    """A running server under a memory limit.

    noisy, quiet  secrets of each role, of the tenant that abuses and of the other
    """

    server: ServerProcess
    noisy: Mapping[Role, str]
    quiet: Mapping[Role, str]
    calm_s: float = 0.0

    def client(
        self, role: Role = Role.READ_ONLY, *, quiet: bool = False, timeout: float = HANG_S
    ) -> httpx.Client:
        """A client of the noisy tenant, or of the quiet one."""
        secret = (self.quiet if quiet else self.noisy)[role]
        return httpx.Client(
            base_url=self.server.url,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=timeout,
            limits=httpx.Limits(keepalive_expiry=1),
        )

    @contextmanager
    def watched(self) -> Iterator[Noticed]:
        """Observe the quiet tenant while the block abuses the server; the record is complete after
        the block.

        The quiet tenant asks a small query and writes a sample in turn, 20 times a second at most.
        """
        noticed, stop = Noticed(), threading.Event()
        forget_peaks(self.server.process.pid)
        thread = threading.Thread(target=self._probe, args=(noticed, stop), daemon=True)
        thread.start()
        try:
            yield noticed
            left = time.monotonic()
            self._await_calm(noticed)
            noticed.recovered_s = time.monotonic() - left
        finally:
            stop.set()
            thread.join()
        noticed.peak_bytes = peak_bytes(self.server.process.pid)
        assert self.server.process.poll() is None, "the server ended"

    def _probe(self, noticed: Noticed, stop: threading.Event) -> None:
        with self.client(Role.OPERATOR, quiet=True) as client:
            while not stop.is_set():
                noticed.query_statuses.append(_timed(noticed.query_s, self._ask, client))
                noticed.write_statuses.append(_timed(noticed.write_s, self._write, client))
                stop.wait(0.05)

    def _ask(self, client: httpx.Client) -> int:
        found = client.post("/v1/novaql", json={"query": "sum(last_over_time(calm[1h]))"})
        return found.status_code

    def _write(self, client: httpx.Client) -> int:
        line = f'calm{{n="1"}} {time.time()}\n'
        return client.post("/api/v1/import/prometheus", content=line).status_code

    def _await_calm(self, noticed: Noticed) -> None:
        end, seen = time.monotonic() + 30, len(noticed.write_s)
        while time.monotonic() < end:
            answers = (
                noticed.query_statuses[seen:][-_CALM:] + noticed.write_statuses[seen:][-_CALM:]
            )
            waits = noticed.query_s[seen:][-_CALM:] + noticed.write_s[seen:][-_CALM:]
            done = len(answers) == 2 * _CALM and set(answers) <= {200, 204}
            if done and max(waits) < max(20 * self.calm_s, 0.5):
                return
            time.sleep(0.05)

    def settle(self) -> None:
        """Measure the latency of the quiet tenant on an idle server."""
        noticed = Noticed()
        with self.client(Role.OPERATOR, quiet=True) as client:
            for _ in range(20):
                _timed(noticed.write_s, self._write, client)
                _timed(noticed.query_s, self._ask, client)
        self.calm_s = statistics.median(noticed.query_s + noticed.write_s)


def _timed(into: list[float], ask: Any, client: httpx.Client) -> int:
    began, status = time.monotonic(), 0
    try:
        status = ask(client)
    except httpx.HTTPError:
        status = 0
    into.append(time.monotonic() - began)
    return status


@contextmanager
def abuse_rig(
    data: Path,
    *arguments: str,
    kind: str = "sqlite",
    workers: int = 1,
    limit_bytes: int = MEMORY_BYTES,
    **settings: str,
) -> Iterator[AbuseRig]:
    """A server in a folder that does not exist yet, with two tenants and a token of each role.

    kind      of database: `sqlite` or `postgresql`
    workers   processes that answer
    settings  further settings in its environment; quotas of requests are off
    """
    chosen = {"rate_per_minute": "0", "rate_per_day": "0", "prometheus_per_minute": "0"}
    chosen |= {"workers": str(workers), **settings}
    if kind == "postgresql":
        chosen["database_url"] = postgresql_url()
    with (
        memory_limit(limit_bytes - _SHARED_BYTES) as limit,
        server_process(data, *arguments, settings=chosen, enter=limit.enter) as server,
    ):
        quiet = server.token or admin(data, chosen, "bootstrap")
        noisy = admin(data, chosen, "tenant", "noisy", "--email", "eve@noisy.example")
        rig = AbuseRig(server, _roles(server.url, noisy), _roles(server.url, quiet))
        rig.settle()
        yield rig


def _roles(url: str, secret: str) -> dict[Role, str]:
    headers = {"Authorization": f"Bearer {secret}"}
    found = {Role.ADMIN: secret}
    for role in (Role.OPERATOR, Role.READ_ONLY):
        body = {"name": role.value, "role": role.value}
        answer = httpx.post(f"{url}/v1/tokens", json=body, headers=headers, timeout=30)
        assert answer.status_code == 201, answer.text
        found[role] = answer.json()["token"]
    return found
