"""Objectives with an escalation policy: their pages open incidents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from novaql.server.clock import SteppedClock
from tests.support.servers.http_server import LocalServer, local_server

RATIO = {"type": "ratio", "bad": 'errors_total{service="api"}', "total": 'all_total{service="api"}'}


def post(server: LocalServer, path: str, **body: Any) -> httpx.Response:
    return server.client.post(f"/v1/{path}", json=body, headers=server.bearer())


def rules(server: LocalServer) -> dict[str, tuple[str | None, bool]]:
    server.run_jobs()
    answer = server.client.get("/v1/alert-rules", headers=server.bearer())
    return {
        rule["name"]: (rule["escalation_policy_id"], rule["auto_incident"])
        for rule in answer.json()["data"]
    }


def test_pages_have_the_policy_and_tickets_have_none() -> None:
    with local_server(clock=SteppedClock(datetime(2027, 3, 1, tzinfo=UTC))) as server:
        post(server, "services", name="api", owner="team", tier="tier1")
        unknown = post(
            server, "slo/api", objective="0.999", indicator=RATIO, escalation_policy_id="esc_0"
        )
        assert unknown.status_code == 422
        assert unknown.json()["error"]["code"] == "unknown_escalation_policy"

        me = server.client.get("/v1/users", headers=server.bearer()).json()["data"][0]["id"]
        steps = [{"wait": "1m", "targets": [{"type": "user", "id": me}]}]
        policy = post(server, "escalation-policies", name="api", steps=steps).json()["id"]
        made = post(
            server, "slo/api", objective="0.999", indicator=RATIO, escalation_policy_id=policy
        )
        assert made.status_code == 201, made.text
        assert made.json()["escalation_policy_id"] == policy
        assert rules(server) == {"SLOBurnPage": (policy, True), "SLOBurnTicket": (None, False)}

        changed = post(server, "slo/api", objective="0.999", indicator=RATIO, version=1)
        assert changed.json()["escalation_policy_id"] is None
        assert rules(server) == {"SLOBurnPage": (None, False), "SLOBurnTicket": (None, False)}
