"""A server with an agent: its owner, and users who can approve."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from tests.support.servers.http_server import LocalServer, token_of

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
CONTENT = {"service": "checkout", "version": "1.41"}
PROPOSAL = {"kind": "deploy.rollback", "title": "Roll back checkout", "content": CONTENT}


@dataclass
class AgentRig:
    """`ada` owns the agent; `bob`, `eve` and `joe` are operators."""

    server: LocalServer
    clock: SteppedClock
    tokens: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        context = self.server.context
        tenant = context.access.default_principal.tenant_id
        self.tokens["ada"] = self.server.tokens[Role.ADMIN]
        for name in ("bob", "eve", "joe"):
            address = f"{name}@example.com"
            self.tokens[name] = token_of(context.database, tenant, Role.OPERATOR, address)
        listed = self.ask("GET", "/v1/users").json()["data"]
        self.users = {one["email"].partition("@")[0]: one["id"] for one in listed}

    def ask(self, method: str, path: str, body: Any = None, *, by: str = "ada") -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[by]}"}
        return self.server.client.request(method, path, json=body, headers=headers)

    def get(self, path: str, *, by: str = "ada") -> Any:
        answer = self.ask("GET", path, by=by)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 201, *, by: str = "ada") -> Any:
        answer = self.ask("POST", path, body, by=by)
        assert answer.status_code == status, answer.text
        return answer.json()

    def agent(self, name: str = "bot", **more: Any) -> str:
        """Register an agent of ada; return its id."""
        body = {
            "name": name,
            "capabilities": ["deploy.*"],
            "scope": {"services": ["*"], "max_services": 2},
            **more,
        }
        found: str = self.post("/v1/agents", body)["id"]
        return found

    def proposal(self, agent: str, *, by: str = "ada", **more: Any) -> Any:
        return self.post(f"/v1/agents/{agent}/proposals", {**PROPOSAL, **more}, by=by)

    def decide(
        self, action: Any, decision: str = "approve", *, by: str = "bob", **more: Any
    ) -> httpx.Response:
        body = {
            "action_id": action["id"],
            "decision": decision,
            "content_hash": action["content_hash"],
            **more,
        }
        return self.ask("POST", f"/v1/agents/{action['agent_id']}/actions", body, by=by)

    def entries(self, agent: str) -> list[Any]:
        found: list[Any] = self.get(f"/v1/agents/{agent}/audit?limit=200")["data"]
        return found

    def kinds(self, agent: str) -> list[str]:
        return [one["kind"] for one in self.entries(agent)]

    def step(self, **by: float) -> None:
        self.clock.step(timedelta(**by))
        self.server.run_jobs()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
