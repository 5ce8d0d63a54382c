"""A server with synthetic checks, over both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.http.index import RouteIndex
from novaql.server.routes import ROUTES
from tests.support.contract.documented import assert_documented
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
OPEN: dict[str, Any] = {
    "egress_allow": "127.0.0.0/8",
    "synthetic_jitter": 0.0,
    "probe_retry_delay_s": 0.0,
}
_TABLE = RouteIndex(ROUTES)


@dataclass
class Lab:
    """Asks a server; what it answers must be documented."""

    server: LocalServer
    clock: SteppedClock

    def ask(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> httpx.Response:
        path = f"/v1{path}"
        bearer = {"Authorization": f"Bearer {token or self.server.tokens[Role.ADMIN]}"}
        answer = self.server.client.request(method, path, json=body, headers=bearer)
        found = _TABLE.find(path.partition("?")[0])
        if found is not None and method in found[0]:
            assert_documented(method, found[0][method].path, answer)
        return answer

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 201, token: str | None = None) -> Any:
        answer = self.ask("POST", path, body, token)
        assert answer.status_code == status, answer.text
        return answer.json()

    def code(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> tuple[int, str]:
        answer = self.ask(method, path, body, token)
        return answer.status_code, answer.json()["error"]["code"]

    def check(self, target: str, **fields: Any) -> str:
        """The id of a new check, of HTTP each minute."""
        usual = {"name": "shop", "type": "http", "target": target, "interval": "1m"}
        found: str = self.post("/synthetics", {**usual, "timeout": "2s", **fields})["id"]
        return found

    def pass_time(self, seconds: float = 60, most: float = 60) -> None:
        """Let time pass in steps, and run what is due after each."""
        while seconds > 0:
            self.clock.step(timedelta(seconds=min(seconds, most)))
            seconds -= most
            self.server.run_jobs()

    def results(self, check: str, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/synthetics/{check}/results{query}")["data"]
        return found

    def result(self, check: str) -> dict[str, Any]:
        """The newest result."""
        return self.results(check)[0]

    def run(self, check: str) -> dict[str, Any]:
        """The result of a run that is not scheduled."""
        run_id = self.post(f"/synthetics/{check}/run", {}, 202)["run_id"]
        self.server.run_jobs()
        (found,) = self.results(check, f"?run_id={run_id}")
        return found

    def probe_token(self, region: str = "paris") -> str:
        """The token of a runner."""
        body = {"name": f"runner {region}", "role": "operator", "purpose": "probe"}
        found: str = self.post("/tokens", {**body, "region": region})["token"]
        return found

    def query(self, text: str) -> list[Any]:
        """Labels and values of an instant query now."""
        at = self.clock.now().timestamp()
        answer = self.server.novaql(query=text, time=at).json()
        return [(one["metric"], one["value"][1]) for one in answer["result"]]


@pytest.fixture(params=KINDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """Over SQLite, and over PostgreSQL."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, **OPEN) as server,
    ):
        yield Lab(server, clock)
