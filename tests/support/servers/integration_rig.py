"""A server, a stepped clock, and a fake provider that it can connect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import select

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.integrations.tables import Integration
from tests.support.servers.fake_provider import KEY, FakeProvider, fake_provider
from tests.support.servers.http_server import LocalServer, local_server

START = datetime(2026, 4, 1, 12, tzinfo=UTC)


@dataclass
class IntegrationRig:
    """Sends requests as an administrator."""

    server: LocalServer
    clock: SteppedClock
    fake: FakeProvider

    def ask(
        self, method: str, path: str, body: Any = None, role: Role = Role.ADMIN
    ) -> httpx.Response:
        url = f"/v1/integrations{path}"
        headers = self.server.bearer(role)
        return self.server.client.request(method, url, json=body, headers=headers)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, expect: int = 200) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def step(self, seconds: float) -> None:
        """Advance the clock, and run due jobs."""
        self.clock.step(timedelta(seconds=seconds))
        self.server.run_jobs()

    def connect_key(self) -> None:
        self.post("/fake/connect", {"api_key": KEY})

    def connect_oauth(self) -> None:
        url = self.post("/fake/connect", {"flow": "oauth"})["authorize_url"]
        answer = httpx.get(self.fake.authorize(url), timeout=30)
        assert answer.status_code == 200, answer.text

    def row(self) -> Integration:
        with self.server.context.database.read(None) as session:
            return session.execute(select(Integration)).scalar_one()

    def status(self) -> str:
        return str(self.get("/fake/status")["status"])


@contextmanager
def integration_rig(**settings: Any) -> Iterator[IntegrationRig]:
    clock = SteppedClock(START)
    with fake_provider() as fake:
        chosen = {
            "egress_allow": "127.0.0.0/8",
            "integrations_fake_url": fake.url,
            "integration_sync_interval_s": 900,
            **settings,
        }
        with local_server(clock=clock, **chosen) as server:
            yield IntegrationRig(server, clock, fake)
