"""Drives the alerts of a server: samples, steps of the clock, and answers of the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, to_ms
from novaql.server.http.index import RouteIndex
from novaql.server.routes import ROUTES
from tests.support.contract.documented import assert_documented
from tests.support.servers.http_server import LocalServer

_TABLE = RouteIndex(ROUTES)
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


def down(**fields: Any) -> dict[str, Any]:
    """A rule that fires for each `up` that is 0."""
    return {"name": "Down", "expr": "up == 0", "interval": "15s", **fields}


@dataclass
class AlertRig:
    """A server in this process, and its clock."""

    server: LocalServer
    clock: SteppedClock

    def ask(
        self, method: str, path: str, body: Any = None, role: Role = Role.ADMIN
    ) -> httpx.Response:
        headers = self.server.bearer(role)
        answer = self.server.client.request(method, path, json=body, headers=headers)
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

    def rule(self, **fields: Any) -> dict[str, Any]:
        """A new rule; its service is registered, if the catalog does not have it."""
        if fields.get("service") is not None:
            body = {"name": fields["service"], "owner": "ada", "tier": "1"}
            assert self.ask("POST", "/v1/services", body).status_code in (201, 409)
        made: dict[str, Any] = self.post("/v1/alert-rules", down(**fields))
        return made

    def route_to_log(self, **route: Any) -> None:
        """Create a sink `log`, and route all alerts to it."""
        self.post("/v1/notification-channels", {"name": "log", "type": "sink"})
        usual = {"channels": ["log"], "group_by": ["alertname"], "group_wait": "0s"}
        self.post("/v1/alert-routing", {"route": {**usual, **route}})

    def up(self, **instances: float) -> None:
        """A sample of `up` now, for each instance."""
        now = to_ms(self.clock.now())
        series = [
            ({"__name__": "up", "instance": name}, [(now, value)])
            for name, value in instances.items()
        ]
        assert self.server.write(series).status_code == 204

    def step(self, seconds: float = 15, **instances: float) -> None:
        """Advance the clock, write samples, and run due jobs."""
        self.clock.step(timedelta(seconds=seconds))
        self.now(**instances)

    def now(self, **instances: float) -> None:
        """Write samples and run due jobs."""
        if instances:
            self.up(**instances)
        self.server.run_jobs()

    def alerts(self, query: str = "") -> list[dict[str, Any]]:
        """Alerts as the list has them."""
        found: list[dict[str, Any]] = self.get(f"/v1/alerts{query}")["data"]
        return found

    def states(self) -> dict[str, str]:
        """State by instance."""
        return {alert["labels"].get("instance", ""): alert["state"] for alert in self.alerts()}

    def alert(self, query: str = "") -> dict[str, Any]:
        """The only alert, with all details."""
        (found,) = self.alerts(query)
        shown: dict[str, Any] = self.get(f"/v1/alerts/{found['id']}")
        return shown

    def log(self, query: str = "") -> list[tuple[str, int, int]]:
        """The notifications, oldest first: why, how many fire, how many have resolved."""
        data = self.get(f"/v1/notifications{query}")["data"]
        return [(one["why"], one["firing"], one["resolved"]) for one in reversed(data)]

    def series(self, query: str) -> list[dict[str, str]]:
        """Labels of the series that a query finds now."""
        at = to_ms(self.clock.now()) / 1000
        result = self.server.prometheus("query", query=query, time=at).json()["data"]["result"]
        return [element["metric"] for element in result]
