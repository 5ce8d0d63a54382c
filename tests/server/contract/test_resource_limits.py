"""A tenant has so many resources of a kind at most, also when several are made at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from novaql.errors import ArgumentError
from novaql.server.auth.bootstrap import add_tenant, set_limits
from novaql.server.auth.roles import Role
from novaql.server.settings import REQUESTED, RESOURCES, TENANT_LIMITS, Settings
from tests.support.contract.route_walk import Walk
from tests.support.servers.http_server import LocalServer, local_server, token_of
from tests.support.servers.state_databases import KINDS, state_database

Body = dict[str, Any]
PANEL = {
    "title": "P",
    "type": "timeseries",
    "queries": [{"expr": "up"}],
    "grid": {"x": 0, "y": 0, "w": 12, "h": 8},
}


def user(n: int) -> Body:
    return {"email": f"u{n}@example.com", "role": "read_only"}


def silence(n: int) -> Body:
    matchers = [{"name": "n", "value": str(n)}]
    return {"matchers": matchers, "duration": "1h", "reason": "maintenance"}


def slo(n: int) -> Body:
    indicator = {"type": "ratio", "bad": "bad_total", "total": "all_total"}
    return {"name": f"slo{n}", "objective": "0.99", "indicator": indicator}


def group(n: int) -> str:
    return f"- name: g{n}\n  rules: [{{alert: A, expr: up}}, {{record: 'a:b', expr: up}}]\n"


def file_of(groups: int, name: str = "one.yml") -> Body:
    return {"file": name, "document": "groups:\n" + "".join(map(group, range(groups)))}


STEP = {"name": "settle", "type": "wait", "duration": "1s"}
MADE: dict[str, tuple[str, Callable[[int], Body | None]]] = {
    "max_rules": ("/v1/alert-rules", lambda n: {"name": f"R{n}", "expr": "up"}),
    "max_rule_groups": ("/v1/alert-rules", lambda n: {"name": f"R{n}", "expr": "up"}),
    "max_silences": ("/v1/silences", silence),
    "max_channels": ("/v1/notification-channels", lambda n: {"name": f"c{n}", "type": "sink"}),
    "max_webhooks": ("/v1/webhooks", lambda _: {"url": "https://192.0.43.8/", "events": ["*"]}),
    "max_dashboards": ("/v1/dashboards", lambda n: {"title": f"D{n}", "panels": []}),
    "max_embeds": ("/v1/panels/{panel}/embeds", lambda _: {}),
    "max_tokens": ("/v1/tokens", lambda n: {"name": f"t{n}", "role": "read_only"}),
    "max_sessions": ("/v1/session", lambda _: None),
    "max_users": ("/v1/users", user),
    "max_user_groups": ("/v1/scim/v2/Groups", lambda n: {"displayName": f"g{n}"}),
    "max_services": ("/v1/services", lambda n: {"name": f"s{n}", "owner": "o", "tier": "tier1"}),
    "max_slos": ("/v1/slo/shop", slo),
    "max_open_incidents": (
        "/v1/incidents",
        lambda n: {"title": f"I{n}", "severity": "sev3", "services": ["shop"]},
    ),
    "max_agents": ("/v1/agents", lambda n: {"name": f"a{n}", "capabilities": ["deploy.rollback"]}),
    "max_queued_actions": (
        "/v1/agents/{agent}/proposals",
        lambda n: {"kind": "deploy.rollback", "title": f"T{n}", "content": {}},
    ),
    "max_runbooks": ("/v1/runbooks", lambda n: {"name": f"R{n}", "steps": [STEP]}),
    "max_synthetics": (
        "/v1/synthetics",
        lambda n: {
            "name": f"c{n}",
            "type": "http",
            "target": "http://192.0.43.8/",
            "interval": "1m",
        },
    ),
    "max_schedules": (
        "/v1/oncall/schedules",
        lambda n: {"name": f"S{n}", "timezone": "UTC", "layers": []},
    ),
    "max_escalation_policies": ("/v1/escalation-policies", lambda n: {"name": f"P{n}", **STEPS}),
    "max_overrides": ("/v1/oncall/overrides", lambda _: dict(OVERRIDE)),
    "max_integration_hooks": (
        "/v1/integrations/generic_webhook/hooks",
        lambda n: {"name": f"H{n}", "report": "deploy", "fields": {"id": {"pointer": "/id"}}},
    ),
    "max_audit_exports": (
        "/v1/audit/export",
        lambda _: {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z", "format": "csv"},
    ),
}
OVERRIDE: Body = {"start": "2090-04-01T00:00:00Z", "end": "2090-04-02T00:00:00Z"}
"""For the schedule and the user that `path_for` adds."""
STEPS: Body = {"steps": [{"wait": "5m", "targets": [{"type": "user"}]}]}
"""With the user that `path_for` adds."""
THERE = {"max_tokens": 2, "max_users": 1}
"""What a tenant has from the start."""


@contextmanager
def limited(kind: str, folder: Path, **limits: float) -> Iterator[tuple[LocalServer, Walk]]:
    with (
        state_database(kind, folder) as database,
        local_server(database=database, rate_per_minute=0, rate_per_day=0) as server,
    ):
        made = add_tenant(database, server.context.clock, "small")
        set_limits(database, made.id, limits, server.context.settings)
        yield server, Walk(server, token_of(database, made.id, Role.ADMIN, "a@example.com"))


def path_for(walk: Walk, setting: str) -> str:
    path, _ = MADE[setting]
    if setting == "max_embeds":
        saved = walk.request("POST", "/v1/dashboards", {"title": "D", "panels": [PANEL]})
        path = path.format(panel=saved.json()["panels"][0]["id"])
    if setting == "max_queued_actions":
        agent = walk.request("POST", "/v1/agents", MADE["max_agents"][1](1))
        path = path.format(agent=agent.json()["id"])
    if setting == "max_overrides":
        schedule = {"name": "S", "timezone": "UTC", "layers": []}
        OVERRIDE["schedule_id"] = walk.request("POST", "/v1/oncall/schedules", schedule).json()[
            "id"
        ]
        OVERRIDE["user_id"] = walk.request("GET", "/v1/users").json()["data"][0]["id"]
    if setting == "max_escalation_policies":
        user_id = walk.request("GET", "/v1/users").json()["data"][0]["id"]
        STEPS["steps"][0]["targets"][0]["id"] = user_id
    if setting in ("max_slos", "max_open_incidents"):
        shop = {"name": "shop", "owner": "o", "tier": "tier1"}
        assert walk.request("POST", "/v1/services", shop).status_code == 201
    return path


def test_every_resource_is_tried() -> None:
    assert set(MADE) == REQUESTED < set(RESOURCES) <= set(TENANT_LIMITS)


@pytest.mark.parametrize("setting", sorted(MADE))
@pytest.mark.parametrize("kind", KINDS)
def test_of_requests_at_once_as_many_succeed_as_there_is_room_for(
    kind: str, setting: str, tmp_path: Path
) -> None:
    most = THERE.get(setting, 0) + 2
    with limited(kind, tmp_path / "state", **{setting: most}) as (_, walk):
        path, body = path_for(walk, setting), MADE[setting][1]
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda n: walk.request("POST", path, body(n)), range(6)))
        codes = sorted(answer.status_code for answer in answers)
        refused = next(answer for answer in answers if answer.status_code == 409)

    assert codes == [201, 201, 409, 409, 409, 409], [a.text for a in answers]
    assert f"({setting} = {most})" in refused.text
    if "scim" not in path:
        assert refused.json()["error"]["code"] == "limit_reached"


def test_what_has_ended_makes_room(tmp_path: Path) -> None:
    with limited("sqlite", tmp_path / "state", max_tokens=3, max_silences=1) as (_, walk):
        token = walk.request("POST", "/v1/tokens", {"name": "t", "role": "read_only"}).json()
        assert walk.request("POST", "/v1/tokens", {"name": "u", "role": "read_only"}).is_error
        assert walk.request("DELETE", f"/v1/tokens/{token['id']}").status_code == 204
        again = walk.request("POST", "/v1/tokens", {"name": "u", "role": "read_only"})
        quiet = walk.request("POST", "/v1/silences", silence(1)).json()
        assert walk.request("POST", "/v1/silences", silence(2)).status_code == 409
        assert walk.request("POST", "/v1/silences", silence(1)).status_code == 200
        assert walk.request("DELETE", f"/v1/silences/{quiet['id']}").status_code == 204
        other = walk.request("POST", "/v1/silences", silence(2))

    assert again.status_code == other.status_code == 201


def test_a_rule_file_is_taken_as_far_as_the_tenants_rules_go(tmp_path: Path) -> None:
    with limited("sqlite", tmp_path / "state", max_rules=8, max_rule_groups=3) as (_, walk):
        path = "/v1/alert-rules/import"
        first = walk.request("POST", path, file_of(3))
        again = walk.request("POST", path, file_of(3))  # replaces: it needs no more than before
        more = walk.request("POST", path, file_of(4))
        other = walk.request("POST", path, file_of(1, "two.yml"))
        rules = walk.request("GET", "/v1/alert-rules?limit=100").json()["data"]

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["unchanged"] == 6
    for refused in (more, other):
        assert refused.status_code == 409, refused.text
        assert refused.json()["error"]["code"] == "limit_reached"
    assert len(rules) == 6


def test_rules_in_files_count_with_all_others(tmp_path: Path) -> None:
    with limited("sqlite", tmp_path / "state", max_rules=3) as (_, walk):
        assert walk.request("POST", "/v1/alert-rules/import", file_of(1)).status_code == 200
        one = walk.request("POST", "/v1/alert-rules", {"name": "R", "expr": "up"})
        two = walk.request("POST", "/v1/alert-rules", {"name": "S", "expr": "up"})
        whole = walk.request("POST", "/v1/alert-rules/import", file_of(2))

    assert (one.status_code, two.status_code, whole.status_code) == (201, 409, 409)


def test_rules_are_not_evaluated_more_often_than_the_tenant_may(tmp_path: Path) -> None:
    with limited("sqlite", tmp_path / "state", min_evaluation_interval_s=300) as (_, walk):
        rule = {"name": "R", "expr": "up"}
        often = walk.request("POST", "/v1/alert-rules", {**rule, "interval": "1m"})
        usual = walk.request("POST", "/v1/alert-rules", rule)
        changed = walk.request(
            "PATCH", f"/v1/alert-rules/{usual.json()['id']}", {"version": 1, "interval": "1m"}
        )
        document = "groups: [{name: g, interval: 1s, rules: [{alert: A, expr: up}]}]"
        file = walk.request(
            "POST", "/v1/alert-rules/import", {"file": "a.yml", "document": document}
        )

    assert usual.json()["interval"] == "5m"
    for refused in (often, changed, file):
        assert refused.status_code == 409, refused.text
        assert "min_evaluation_interval_s = 300" in refused.json()["error"]["message"]


@pytest.mark.parametrize("setting", [*RESOURCES, "max_concurrent_queries"])
def test_a_limit_below_nothing_is_refused_and_nothing_is_no_limit(setting: str) -> None:
    below: dict[str, Any] = {setting: -1}
    none: dict[str, Any] = {setting: 0}
    with pytest.raises(ArgumentError, match="0 or more"):
        replace(Settings(), **below)
    assert getattr(replace(Settings(), **none), setting) == 0


def test_a_rule_gives_as_many_series_as_the_tenant_may_have_of_one(tmp_path: Path) -> None:
    with limited("sqlite", tmp_path / "state", max_rule_series=1) as (server, walk):
        server.client.post(
            "/v1/ingest",
            content='up{n="1"} 1\nup{n="2"} 1\n',
            headers={"Authorization": f"Bearer {walk.token}", "Content-Type": "text/plain"},
        )
        for name, expr in (("few:up", 'up{n="1"}'), ("many:up", "up")):
            rule = {"name": name, "type": "recording", "expr": expr}
            assert walk.request("POST", "/v1/alert-rules", rule).status_code == 201
        server.run_jobs()
        rules = walk.request("GET", "/v1/alert-rules").json()["data"]

    assert [(rule["name"], rule["health"]) for rule in rules] == [
        ("few:up", "ok"),
        ("many:up", "err"),
    ]
    assert rules[1]["last_error"] == "exceeded limit of 1 with 2 series"
