"""A server with users, schedules and channels, over both kinds of database, and its clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql.server.clock import SteppedClock
from novaql.server.http.index import RouteIndex
from novaql.server.routes import ROUTES
from tests.support.contract.documented import assert_documented
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)  # a Wednesday
_TABLE = RouteIndex(ROUTES)


@dataclass
class Watch:
    """Asks a server; what it answers must be documented.

    users, tokens  ids and tokens by name
    """

    server: LocalServer
    clock: SteppedClock
    receiver: Receiver
    users: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, who: str = "") -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.tokens[who]}"} if who else self.server.bearer()
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

    def post(self, path: str, body: Any = None, status: int = 201, who: str = "") -> Any:
        answer = self.ask("POST", path, body, who)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str, list[str]]:
        """Status, code and pointers of a refusal."""
        answer = self.ask(method, path, body)
        error = answer.json()["error"]
        pointers = [one["pointer"] for one in error.get("details", ())]
        return answer.status_code, error["code"], pointers

    def user(self, name: str, *, method: str | None = "sink") -> str:
        """The id of a new user, who has accepted, with a contact method."""
        body = {"email": f"{name}@team.example", "name": name, "role": "operator"}
        invited = self.post("/users", body)
        accepting = {"token": invited["invitation_token"]}
        joined = self.server.client.post("/v1/invitations/accept", json=accepting).json()
        self.users[name], self.tokens[name] = invited["id"], joined["token"]
        if method is not None:
            self.method(name, method)
        return str(invited["id"])

    def method(self, name: str, type_: str, **more: Any) -> str:
        """The id of a new contact method of a user. Webhooks go to the receiver."""
        body = {"name": type_, "type": type_, **more}
        if type_ == "webhook":
            body["webhook"] = {"url": f"{self.receiver.url}/{name}"}
        return str(self.post(f"/users/{self.users[name]}/contact-methods", body)["id"])

    def target(self, name: str) -> dict[str, str]:
        return {"type": "user", "id": self.users[name]}

    def policy(self, *steps: dict[str, Any], status: int = 201, **fields: Any) -> dict[str, Any]:
        body = {"name": "payments", "steps": list(steps), "ack_timeout": None, **fields}
        found: dict[str, Any] = self.post("/escalation-policies", body, status)
        return found

    def open(self, policy: dict[str, Any], status: int = 201, **fields: Any) -> str:
        """The id of a new incident with a policy, after all that is due."""
        body = {"title": "errors", "severity": "sev2", "services": [], **fields}
        body["escalation_policy_id"] = policy["id"]
        made = self.post("/incidents", body, status)["id"]
        self.server.run_jobs()
        return str(made)

    def step(self, **span: float) -> None:
        """Let time pass, and run what is due."""
        self.clock.step(timedelta(**span))
        self.server.run_jobs()

    def ack(self, incident: str, who: str = "") -> dict[str, Any]:
        found: dict[str, Any] = self.post(f"/incidents/{incident}/ack", {}, 200, who)
        return found

    def pages(self, incident: str) -> list[dict[str, Any]]:
        """The pages, oldest first."""
        found: list[dict[str, Any]] = self.get(f"/incidents/{incident}/pages?limit=200")["data"]
        return found[::-1]

    def paged(self, incident: str) -> list[str]:
        """Cycle, step and name of each page: `0.1 ada`, in this order."""
        pages = self.pages(incident)
        return sorted(f"{one['cycle']}.{one['step']} {one['target']['name']}" for one in pages)

    def timeline(self, incident: str) -> list[dict[str, Any]]:
        path = f"/incidents/{incident}/timeline?limit=200"
        found: list[dict[str, Any]] = self.get(path)["data"]
        return found

    def types(self, incident: str) -> list[str]:
        return [entry["type"] for entry in self.timeline(incident)]

    def schedule(self, *members: str, **layer: Any) -> dict[str, str]:
        """A target: a schedule of one layer, daily at 09:00 UTC."""
        ids = [self.users[name] for name in members]
        rotation = {"type": "daily", "hand_off": "09:00"}
        whole = {"start": "2026-04-01T09:00:00Z", "rotation": rotation, "members": ids, **layer}
        body = {"name": "rota", "timezone": "UTC", "layers": [whole]}
        return {"type": "schedule", "id": self.post("/oncall/schedules", body)["id"]}


def step(*targets: dict[str, str], wait: str = "5m", **fields: Any) -> dict[str, Any]:
    return {"wait": wait, "targets": list(targets), **fields}


@pytest.fixture(params=KINDS)
def watch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watch]:
    """Over SQLite, and over PostgreSQL."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, egress_allow="127.0.0.0/8") as server,
        receiving() as receiver,
    ):
        made = Watch(server, clock, receiver)
        made.user("ada")
        made.user("bob")
        made.user("eve")
        yield made
