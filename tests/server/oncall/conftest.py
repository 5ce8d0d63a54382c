"""A server with schedules, over both kinds of database, and people who are in them."""

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
from novaql.server.tuning import Tuning
from tests.support.contract.documented import assert_documented
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)  # a Wednesday
_TABLE = RouteIndex(ROUTES)


@dataclass
class Rota:
    """Asks a server; what it answers must be documented."""

    server: LocalServer
    clock: SteppedClock

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        path = f"/v1{path}"
        bearer = self.server.bearer()
        answer = self.server.client.request(method, path, json=body, headers=bearer)
        found = _TABLE.find(path.partition("?")[0])
        if found is not None and method in found[0]:
            assert_documented(method, found[0][method].path, answer)
        return answer

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str, list[str]]:
        """Status, code and pointers of a refusal."""
        answer = self.ask(method, path, body)
        error = answer.json()["error"]
        return (
            answer.status_code,
            error["code"],
            [one["pointer"] for one in error.get("details", ())],
        )

    def user(self, name: str) -> str:
        """The id of a new user."""
        body = {"email": f"{name}@team.example", "name": name.title(), "role": "operator"}
        found: str = self.post("/users", body)["id"]
        return found

    def schedule(self, *members: str, status: int = 201, **fields: Any) -> dict[str, Any]:
        """A schedule of one layer, daily at 09:00 in Berlin."""
        body = {"name": "payments", "timezone": "Europe/Berlin", "layers": [layer(*members)]}
        found: dict[str, Any] = self.post("/oncall/schedules", {**body, **fields}, status)
        return found

    def override(self, schedule: str, user: str, start: str, end: str, **more: Any) -> Any:
        body = {"schedule_id": schedule, "user_id": user, "start": start, "end": end, **more}
        return self.post("/oncall/overrides", body)

    def shifts(self, schedule: str, start: str, end: str) -> list[dict[str, Any]]:
        path = f"/oncall/schedules/{schedule}/shifts"
        found: list[dict[str, Any]] = self.get(f"{path}?from={start}&to={end}")["data"]
        return found

    def on_call(self, schedule: str, at: str = "") -> dict[str, Any]:
        """The entry of a schedule."""
        query = f"&at={at}" if at else ""
        (found,) = self.get(f"/oncall?schedule={schedule}{query}")["data"]
        shown: dict[str, Any] = found
        return shown


def layer(*members: str, **fields: Any) -> dict[str, Any]:
    """A layer, daily at 09:00."""
    return {
        "start": "2026-03-01T00:00:00Z",
        "rotation": {"type": "daily", "hand_off": "09:00"},
        "members": list(members),
        **fields,
    }


def names(spans: list[dict[str, Any]]) -> list[str | None]:
    """Names of users, or None for gaps."""
    return [None if span["user"] is None else span["user"]["name"] for span in spans]


@pytest.fixture(params=KINDS)
def rota(request: pytest.FixtureRequest, tmp_path: Path, tuning: Tuning) -> Iterator[Rota]:
    """Over SQLite, and over PostgreSQL."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, tuning=tuning) as server,
    ):
        yield Rota(server, clock)


@pytest.fixture(scope="module")
def shared() -> Iterator[Rota]:
    """Over SQLite, for questions that change nothing that others look at."""
    clock = SteppedClock(NOW)
    with local_server(clock=clock, rate_per_minute=0) as server:
        yield Rota(server, clock)
