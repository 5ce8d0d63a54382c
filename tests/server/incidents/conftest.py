"""A server with a few services, over both kinds of database, and someone who asks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql.server.clock import SteppedClock
from novaql.server.http.index import RouteIndex
from novaql.server.routes import ROUTES
from tests.support.contract.documented import assert_documented
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
_TABLE = RouteIndex(ROUTES)


@dataclass
class Desk:
    """Asks a server; what it answers must be documented."""

    server: LocalServer
    clock: SteppedClock

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> httpx.Response:
        bearer = {"Authorization": f"Bearer {token}"} if token else self.server.bearer()
        path = f"/v1{path}"
        answer = self.server.client.request(method, path, json=body, headers=bearer)
        found = _TABLE.find(path.partition("?")[0])
        if found is not None and method in found[0]:
            assert_documented(method, found[0][method].path, answer)
        return answer

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200, token: str = "") -> Any:
        answer = self.ask("POST", path, body, token)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and code of a refusal."""
        answer = self.ask(method, path, body)
        return answer.status_code, answer.json()["error"]["code"]

    def service(self, name: str) -> None:
        self.post("/services", {"name": name, "owner": "team", "tier": "tier1"}, 201)

    def open(self, status: int = 201, **fields: Any) -> dict[str, Any]:
        """A new incident, or the one that is open under its key."""
        body = {"title": "errors", "severity": "sev2", "services": ["api"], **fields}
        made: dict[str, Any] = self.post("/incidents", body, status)
        return made

    def timeline(self, incident_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/incidents/{incident_id}/timeline")["data"]
        return found

    def types(self, incident_id: str) -> list[str]:
        return [entry["type"] for entry in self.timeline(incident_id)]

    def colleague(self, email: str) -> tuple[str, str]:
        """Another person who may write: their id, and a token of theirs."""
        invited = self.post("/users", {"email": email, "role": "operator"}, 201)
        accepting = {"token": invited["invitation_token"]}
        joined = self.server.client.post("/v1/invitations/accept", json=accepting).json()
        return invited["id"], joined["token"]


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Over SQLite, and over PostgreSQL."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, egress_allow="127.0.0.0/8") as server,
    ):
        made = Desk(server, clock)
        made.service("api")
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[Desk]:
    """Over SQLite, for questions that change nothing that others look at."""
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        made = Desk(server, clock)
        made.service("api")
        yield made
