"""Every privileged write that there is, done once: each leaves its entry, with the request's id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from novaql.server.clock import SteppedClock, SystemClock
from novaql.server.db.tables import AuditEntry
from novaql.server.routes import ROUTES
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.alert_rig import AlertRig
from tests.support.servers.fake_provider import KEY, fake_provider
from tests.support.servers.http_server import local_server

PRIVILEGED = {
    (method, endpoint.path): endpoint
    for endpoint in ROUTES
    if endpoint.action is not None
    for method in endpoint.verbs
    if method != "GET"
}
SEVERAL = {
    ("POST", "/v1/slo/import"),
    ("POST", "/v1/alert-routing/import"),
    ("DELETE", "/v1/services/{name}"),
}
"""What makes several things, or takes its objectives with it, leaves an entry for each of them."""
VARYING = {
    "/scim/v2/{path:path}",
    "/v1/scim/v2/{path:path}",
    "/v1/agents/{id}/actions",
    "/v1/dashboards/import",
    "/v1/runs/{id}/decision",
    "/v1/slo/{service}",
}
"""The request decides the action of the entry; a refused attempt has the one that is declared."""
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
OPENSLO = """
kind: SLO
metadata: {name: imported}
spec:
  service: api
  timeWindow: [{duration: 28d, isRolling: true}]
  objectives: [{target: 0.99}]
  indicator:
    spec:
      ratioMetric:
        bad: {metricSource: {spec: {query: 'r{code="500"}'}}}
        total: {metricSource: {spec: {query: r}}}
"""

DONE = [row for row in PRIVILEGED if not row[1].endswith("/snapshot")]
"""All but snapshots, which a store in memory has not: see tests/server/audit/test_samples.py."""


@dataclass
class Writes:
    """Does writes, and keeps what the log says of each."""

    rig: AlertRig
    receiver: Receiver
    entries: dict[tuple[str, str], list[AuditEntry]] = field(default_factory=dict)

    def do(self, method: str, path: str, body: Any = None, /, **ids: str) -> Any:
        """The write of the row with this path, the names in its braces filled in."""
        filled = path.format_map(ids)
        if path.startswith(("/scim", "/v1/scim")):
            path = f"{path.partition('/v2')[0]}/v2/{{path:path}}"
        answer = self.rig.ask(method, filled, body)
        assert answer.status_code < 300, f"{method} {filled}: {answer.text}"
        self.entries.setdefault((method, path.partition("?")[0]), []).extend(self.said(answer))
        return answer.json() if answer.content else None

    def said(self, answer: httpx.Response) -> list[AuditEntry]:
        request_id = answer.headers["x-request-id"]
        with self.rig.server.context.database.read(None) as session:
            wanted = select(AuditEntry).where(AuditEntry.request_id == request_id)
            return list(session.execute(wanted).scalars())


@pytest.fixture(scope="module")
def writes() -> Iterator[Writes]:
    clock = SteppedClock(SystemClock().now())
    open_: dict[str, Any] = {
        "egress_allow": "127.0.0.0/8",
        "webhook_http": True,
        "webhook_retry_delays": "1s",
    }
    with (
        fake_provider() as fake,
        local_server(clock=clock, integrations_fake_url=fake.url, **open_) as server,
        receiving() as receiver,
    ):
        made = Writes(AlertRig(server, clock), receiver)
        _people(made)
        _services(made)
        _incidents(made)
        _oncall(made)
        _escalation(made)
        _dashboards(made)
        _alerts(made)
        _webhooks(made)
        _agents(made)
        _runbooks(made)
        _integrations(made)
        _synthetics(made)
        _samples(made)
        yield made


def _synthetics(w: Writes) -> None:
    body = {"name": "s", "type": "tcp", "target": "127.0.0.1:9", "interval": "1h"}
    check = w.do("POST", "/v1/synthetics", body)["id"]
    w.do("POST", "/v1/synthetics/{id}/run", {}, id=check)
    w.do("DELETE", "/v1/synthetics/{id}", id=check)


def _people(w: Writes) -> None:
    user = w.do("POST", "/v1/users", {"email": "bob@x.io", "role": "operator"})["id"]
    w.do("POST", "/v1/users/{id}", {"version": 1, "name": "Bob"}, id=user)
    w.do("POST", "/v1/users/{id}/invitation", id=user)
    w.do("DELETE", "/v1/users/{id}", id=user)
    token = w.do("POST", "/v1/tokens", {"name": "ci", "role": "read_only"})["id"]
    w.do("POST", "/v1/tokens/{id}/rotate", id=token)
    w.do("DELETE", "/v1/tokens/{id}", id=token)
    w.do("POST", "/v1/session")
    w.do("DELETE", "/v1/session")  # all sessions of the token
    for base in ("/scim/v2", "/v1/scim/v2"):
        name = {"schemas": [USER], "userName": f"eve{len(base)}@x.io"}
        person = w.do("POST", f"{base}/Users", name)["id"]
        patch = {"op": "replace", "path": "displayName", "value": "Eve"}
        w.do(
            "PATCH", f"{base}/Users/{{id}}", {"schemas": [PATCH], "Operations": [patch]}, id=person
        )
        w.do("PUT", f"{base}/Users/{{id}}", {**name, "displayName": "E"}, id=person)
        w.do("DELETE", f"{base}/Users/{{id}}", id=person)
    span = {"from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z", "format": "csv"}
    w.do("POST", "/v1/audit/export", span)


def _services(w: Writes) -> None:
    example = PRIVILEGED["POST", "/v1/slo/{service}"].example
    w.do("POST", "/v1/services", {"name": "api", "owner": "a", "tier": "t"})
    w.do("PATCH", "/v1/services/{name}", {"version": 1, "owner": "b"}, name="api")
    w.do("POST", "/v1/slo/{service}", example, service="api")
    changed = {**(example or {}), "objective": "0.9", "version": 1}
    w.do("POST", "/v1/slo/{service}", changed, service="api")
    w.do("POST", "/v1/slo/import", {"document": OPENSLO})
    w.do("DELETE", "/v1/slo/{service}/{name}", service="api", name="availability")
    w.do("DELETE", "/v1/services/{name}", name="api")


def _incidents(w: Writes) -> None:
    body = {"title": "errors", "severity": "sev2", "services": [], "dedup_key": "k"}
    incident = w.do("POST", "/v1/incidents", body)["id"]
    w.do("POST", "/v1/incidents", body)
    w.do("POST", "/v1/incidents/{id}/ack", id=incident)
    w.do("POST", "/v1/incidents/{id}/comments", {"body": "looking"}, id=incident)
    w.do("POST", "/v1/incidents/{id}/resolve", {"note": "done"}, id=incident)


def _runbooks(w: Writes) -> None:
    body = {"name": "r", "steps": [{"name": "settle", "type": "wait", "duration": "1s"}]}
    runbook = w.do("POST", "/v1/runbooks", body)["id"]
    w.do("POST", "/v1/runbooks", {**body, "id": runbook, "version": 1, "name": "s"})
    first = w.do("POST", "/v1/runbooks/{id}/run", {}, id=runbook)["run_id"]
    w.do("POST", "/v1/runs/{id}/cancel", id=first)
    policy = {"approval_policy": {"approvals": 1}}
    guarded = w.do("POST", "/v1/runbooks", {**body, **policy, "name": "t"})["id"]
    second = w.do("POST", "/v1/runbooks/{id}/run", {}, id=guarded)["run_id"]
    shown = w.rig.get(f"/v1/runs/{second}")["content_hash"]
    decision = {"decision": "reject", "content_hash": shown}
    w.do("POST", "/v1/runs/{id}/decision", decision, id=second)
    w.do("DELETE", "/v1/runbooks/{id}", id=guarded)
    w.do("POST", "/v1/runbooks/stop", {"reason": "maintenance"})
    w.do("POST", "/v1/runbooks/start")


def _oncall(w: Writes) -> None:
    user = w.do("POST", "/v1/users", {"email": "rota@x.io", "role": "operator"})["id"]
    body = {"name": "s", "timezone": "UTC", "layers": []}
    schedule = w.do("POST", "/v1/oncall/schedules", body)["id"]
    w.do("POST", "/v1/oncall/schedules", {**body, "id": schedule, "version": 1, "name": "t"})
    span = {"start": "2090-04-01T00:00:00Z", "end": "2090-04-02T00:00:00Z"}
    override = {"schedule_id": schedule, "user_id": user, **span}
    made = w.do("POST", "/v1/oncall/overrides", override)["id"]
    w.do("DELETE", "/v1/oncall/overrides/{id}", id=made)
    w.do("POST", "/v1/oncall/schedules/{id}/ical-secret", id=schedule)
    w.do("DELETE", "/v1/oncall/schedules/{id}/ical-secret", id=schedule)
    w.do("DELETE", "/v1/oncall/schedules/{id}", id=schedule)


def _escalation(w: Writes) -> None:
    user = w.do("POST", "/v1/users", {"email": "pager@x.io", "role": "operator"})["id"]
    body = {"name": "p", "steps": [{"wait": "5m", "targets": [{"type": "user", "id": user}]}]}
    policy = w.do("POST", "/v1/escalation-policies", body)["id"]
    w.do("POST", "/v1/escalation-policies", {**body, "id": policy, "version": 1})
    w.do("DELETE", "/v1/escalation-policies/{id}", id=policy)
    methods, rules = "/v1/users/{id}/contact-methods", "/v1/users/{id}/notification-rules"
    method = w.do("POST", methods, {"name": "log", "type": "sink"}, id=user)["id"]
    rule = w.do("POST", rules, {"contact_method_id": method, "delay": "1m"}, id=user)["id"]
    w.do("DELETE", f"{rules}/{{rule_id}}", id=user, rule_id=rule)
    w.do("DELETE", f"{methods}/{{method_id}}", id=user, method_id=method)


def _dashboards(w: Writes) -> None:
    example = PRIVILEGED["POST", "/v1/dashboards"].example
    made = w.do("POST", "/v1/dashboards", example)
    panel = made["panels"][0]["id"]
    embed = w.do("POST", "/v1/panels/{id}/embeds", {}, id=panel)["id"]
    w.do("DELETE", "/v1/panels/{id}/embeds/{embed_id}", id=panel, embed_id=embed)
    w.do("POST", "/v1/dashboards/import", PRIVILEGED["POST", "/v1/dashboards/import"].example)
    w.do("DELETE", "/v1/dashboards/{id}", id=made["id"])


def _alerts(w: Writes) -> None:
    channel = w.do("POST", "/v1/notification-channels", {"name": "log", "type": "sink"})["id"]
    change = {"version": 1, "send_resolved": False}
    w.do("PATCH", "/v1/notification-channels/{id}", change, id=channel)
    w.do("POST", "/v1/notification-channels/{id}/test", id=channel)
    route = {"channels": ["log"], "group_wait": "1h"}
    w.do("POST", "/v1/alert-routing", {"route": route})
    rule = w.do("POST", "/v1/alert-rules", {"name": "Down", "expr": "up == 0"})["id"]
    w.rig.now(a=0.0)
    alert = w.rig.alert()["id"]
    w.do("POST", "/v1/alerts/{id}/notify", id=alert)
    why = {"duration": "1h", "reason": "known"}
    w.do("POST", "/v1/alerts/{id}/silence", why, id=alert)
    w.do("DELETE", "/v1/alerts/{id}/silence", id=alert)
    matchers = [{"name": "instance", "value": "a"}]
    silence = w.do("POST", "/v1/silences", {"matchers": matchers, **why})["id"]
    w.do("DELETE", "/v1/silences/{id}", id=silence)
    w.do("PATCH", "/v1/alert-rules/{id}", {"version": 1, "for": "10m"}, id=rule)
    w.do("DELETE", "/v1/alert-rules/{id}", id=rule)
    w.do("POST", "/v1/alert-rules/import", PRIVILEGED["POST", "/v1/alert-rules/import"].example)
    example = dict(PRIVILEGED["POST", "/v1/alert-routing/import"].example or {})
    w.do("POST", "/v1/alert-routing/import", {**example, "dry_run": False, "version": 1})
    w.do("DELETE", "/v1/notification-channels/{id}", id=channel)


def _webhooks(w: Writes) -> None:
    w.receiver.say(500, 500)
    body = {"url": f"{w.receiver.url}/x", "events": ["audit.token.create"]}
    hook = w.do("POST", "/v1/webhooks", body)["id"]
    w.do("POST", "/v1/tokens", {"name": "more", "role": "read_only"})
    for _ in range(3):
        w.rig.step(30)
    (dead,) = w.rig.get(f"/v1/webhooks/{hook}/deliveries?status=dead")["data"]
    version = w.rig.get(f"/v1/webhooks/{hook}")["version"]
    w.do("PATCH", "/v1/webhooks/{id}", {"version": version, "enabled": True}, id=hook)
    w.do(
        "POST", "/v1/webhooks/{id}/deliveries/{delivery_id}/replay", id=hook, delivery_id=dead["id"]
    )
    w.do("POST", "/v1/webhooks/{id}/replay", id=hook)
    w.do("POST", "/v1/webhooks/{id}/rotate-secret", id=hook)
    w.do("DELETE", "/v1/webhooks/{id}/previous-secret", id=hook)
    w.do("POST", "/v1/webhooks/{id}/test", id=hook)
    w.do("DELETE", "/v1/webhooks/{id}", id=hook)


def _agents(w: Writes) -> None:
    body = {"name": "bot", "capabilities": ["deploy.rollback"]}
    agent = w.do("POST", "/v1/agents", body)["id"]
    w.do("PATCH", "/v1/agents/{id}", {"version": 1, "description": "d"}, id=agent)
    proposal = PRIVILEGED["POST", "/v1/agents/{id}/proposals"].example
    action = w.do("POST", "/v1/agents/{id}/proposals", proposal, id=agent)
    path = "/v1/agents/{id}/actions/{action_id}"
    ids = {"id": agent, "action_id": action["id"]}
    revised = w.do("PATCH", path, {"version": 1, "content": {"a": 1}}, **ids)
    decision = {"action_id": action["id"], "content_hash": revised["content_hash"]}
    w.do("POST", "/v1/agents/{id}/actions", {**decision, "decision": "reject"}, id=agent)
    other = w.do("POST", "/v1/agents/{id}/proposals", proposal, id=agent)["id"]
    w.do("POST", f"{path}/cancel", id=agent, action_id=other)
    policy = {"policy": {"auto_approve_from": 0.0}, "scope": {"services": ["*"]}}
    trusted = w.do("POST", "/v1/agents", {**body, "name": "trusted", **policy})["id"]
    approved = w.do("POST", "/v1/agents/{id}/proposals", proposal, id=trusted)
    result = {"content_hash": approved["content_hash"], "outcome": "executed"}
    begun = {"content_hash": approved["content_hash"]}
    w.do("POST", f"{path}/start", begun, id=trusted, action_id=approved["id"])
    w.do("POST", f"{path}/result", result, id=trusted, action_id=approved["id"])
    w.do("POST", "/v1/agents/{id}/stop", {"reason": "r"}, id=agent)
    w.do("POST", "/v1/agents/{id}/resume", id=agent)


def _integrations(w: Writes) -> None:
    key = {"flow": "api_key", "api_key": KEY}
    w.do("POST", "/v1/integrations/{provider}/connect", key, provider="fake")
    w.rig.server.run_jobs()
    w.do("POST", "/v1/integrations/{provider}/test", provider="fake")
    w.do("POST", "/v1/integrations/{provider}/sync", provider="fake")
    w.do("DELETE", "/v1/integrations/{provider}", provider="fake")
    path = "/v1/integrations/{provider}/hooks"
    example = PRIVILEGED["POST", path].example
    hook = w.do("POST", path, example, provider="generic_webhook")["id"]
    w.do("DELETE", f"{path}/{{id}}", provider="generic_webhook", id=hook)


def _samples(w: Writes) -> None:
    for base in ("/api/v1", "/prometheus/api/v1"):
        for method in ("POST", "PUT"):
            at = f"{base}/admin/tsdb"
            w.do(method, f"{at}/delete_series?match[]=nothing")
            w.do(method, f"{at}/clean_tombstones")


@pytest.mark.slow
def test_every_privileged_write_was_done(writes: Writes) -> None:
    assert writes.entries.keys() == set(DONE)


@pytest.mark.slow
@pytest.mark.parametrize("row", sorted(DONE), ids=" ".join)
def test_each_left_one_entry(writes: Writes, row: tuple[str, str]) -> None:
    found = writes.entries[row]
    requests = {entry.request_id for entry in found}

    assert found, "no entry"
    if row[1] not in VARYING:
        assert PRIVILEGED[row].action in {entry.action for entry in found}
    assert len({(e.request_id, e.target_type, e.target_id) for e in found}) == len(found)
    if row not in SEVERAL:
        assert len(found) == len(requests), [entry.action for entry in found]
    for entry in found:
        assert (entry.outcome, entry.actor_name) == ("success", "ada@example.com")
        assert entry.before is not None or entry.after is not None
