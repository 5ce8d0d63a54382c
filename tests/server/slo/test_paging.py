"""Objectives with an escalation policy: their pages open incidents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

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


def policy_of(server: LocalServer) -> str:
    """A policy that pages the administrator, who has a sink."""
    me = server.client.get("/v1/users", headers=server.bearer()).json()["data"][0]["id"]
    post(server, f"users/{me}/contact-methods", name="log", type="sink")
    steps = [{"wait": "5m", "targets": [{"type": "user", "id": me}]}]
    return str(post(server, "escalation-policies", name="api", steps=steps).json()["id"])


@pytest.mark.slow
def test_errors_page_a_user_until_they_end() -> None:
    clock = SteppedClock(datetime(2027, 3, 1, 1, tzinfo=UTC))
    with local_server(clock=clock) as server:
        post(server, "services", name="api", owner="team", tier="tier1")
        policy = policy_of(server)
        post(server, "slo/api", objective="0.999", indicator=RATIO, escalation_policy_id=policy)

        def minutes(number: int, bad: float) -> None:
            for _ in range(number):
                at = clock.step(timedelta(minutes=1))
                counts["errors_total"] += bad
                counts["all_total"] += 100
                at_ms = int(at.timestamp() * 1000)
                server.write(
                    [
                        ({"__name__": name, "service": "api"}, [(at_ms, value)])
                        for name, value in counts.items()
                    ]
                )
                server.run_jobs()

        counts = {"errors_total": 0.0, "all_total": 0.0}
        minutes(10, bad=0)
        assert get(server, "incidents")["data"] == []
        minutes(10, bad=50)
        (incident,) = get(server, "incidents")["data"]
        assert (incident["services"], incident["status"]) == (["api"], "triggered")
        assert incident["escalation_policy_id"] == policy
        pages = get(server, f"incidents/{incident['id']}/pages")["data"]
        assert {one["status"] for one in pages} == {"sent"}
        minutes(31, bad=0)  # longer than the short windows
        assert get(server, f"incidents/{incident['id']}")["status"] == "resolved"


def test_an_import_preserves_the_policy() -> None:
    document = """apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: api
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: ratio}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: Prometheus, spec: {query: 'errors_total{service="api"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'all_total{service="api"}'}}}
  objectives: [{target: 0.99}]
"""
    with local_server(clock=SteppedClock(datetime(2027, 3, 1, tzinfo=UTC))) as server:
        post(server, "services", name="api", owner="team", tier="tier1")
        policy = policy_of(server)
        post(server, "slo/api", objective="0.999", indicator=RATIO, escalation_policy_id=policy)
        server.client.delete(f"/v1/escalation-policies/{policy}", headers=server.bearer())
        imported = post(server, "slo/import", document=document)
        assert imported.json()["updated"] == ["api/availability"], imported.text
        (slo,) = get(server, "slo/api")["slos"]
        assert (slo["objective"], slo["escalation_policy_id"]) == ("0.99", policy)


def get(server: LocalServer, path: str) -> Any:
    answer = server.client.get(f"/v1/{path}", headers=server.bearer())
    assert answer.status_code == 200, answer.text
    return answer.json()
