"""An administrator of one tenant of a server in a separate process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from novaql.server.http.index import RouteIndex
from novaql.server.routes import ROUTES
from tests.support.contract.documented import assert_documented
from tests.support.servers.forked import novaql
from tests.support.servers.http_server import ServerProcess, server_process
from tests.support.servers.patiently import TLS
from tests.support.servers.state_databases import postgresql_url

TABLE = RouteIndex(ROUTES)


@dataclass
class TenantClient:
    """Sends requests, and records which routes have succeeded.

    The OpenAPI document must describe every answer, also of rejected requests.
    """

    server: ServerProcess
    token: str
    used: set[str] = field(default_factory=set)

    def ask(
        self, method: str, path: str, body: Any = None, expect: int = 200, **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        answer = httpx.request(
            method,
            f"{self.server.url}{path}",
            json=body,
            headers=headers,
            timeout=30,
            verify=TLS,
            **more,
        )
        assert answer.status_code == expect, answer.text
        found = TABLE.find(path.partition("?")[0])
        if found is not None and method in found[0]:
            assert_documented(method, found[0][method].path, answer)
        if found is not None and expect < 300:
            self.used.add(f"{method} {found[0][method].path.removeprefix('/v1')}")
        return answer

    def json(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        return self.ask(method, path, body, expect).json()

    def until(self, what: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait until a value is true, and return it."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.1)
        return found


@contextmanager
def second_tenant(kind: str, data: Path, **settings: str) -> Iterator[tuple[TenantClient, ...]]:
    """The administrators of the tenant `acme`, and of the first one, on a database of that kind."""
    chosen: dict[str, str] = {"rate_per_minute": "0", "sync": "os", **settings}
    if kind == "postgresql":
        chosen["database_url"] = postgresql_url()
    with server_process(data, settings=chosen) as server:
        first = TenantClient(server, server.token or admin(data, chosen, "bootstrap"))
        token = admin(data, chosen, "tenant", "acme", "--email", "ada@acme.example")
        yield TenantClient(server, token), first


def admin(data: Path, settings: Mapping[str, str], *arguments: str) -> str:
    """Run `novaql admin …`; return its output."""
    return novaql("admin", *arguments, "--data", str(data), settings=settings).stdout.strip()
