"""Rules over HTTP: made, changed, refused, imported, exported, tried; and Prometheus's view."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml

from novaql.server.auth.roles import Role
from novaql.server.clock import to_ms
from tests.support.servers.alert_rig import NOW, AlertRig, down

FILE = """
groups:
  - name: node
    interval: 15s
    limit: 10
    labels: {cluster: one}
    rules:
      - record: instance:up:max
        expr: max by (instance) (up)
      - alert: InstanceDown
        expr: instance:up:max == 0
        for: 30s
        keep_firing_for: 1m
        labels: {severity: page}
        annotations: {summary: '{{ $labels.instance }} is {{ $value }}'}
  - name: other
    rules:
      - alert: TooMany
        expr: count(up) > 100
"""


@pytest.mark.parametrize(
    ("fields", "status", "code", "pointer"),
    [
        ({"expr": "up =="}, 422, "syntax_error", "/expr"),
        ({"expr": "rat(up[5m])"}, 422, "unknown_name", "/expr"),
        ({"expr": "1"}, 422, "not_a_vector", "/expr"),
        ({"expr": '"text"'}, 422, "not_a_vector", "/expr"),
        ({"expr": "up[5m]"}, 422, "not_a_vector", "/expr"),
        ({"name": "a\nb"}, 400, "validation_error", "/name"),
        ({"name": "  "}, 400, "validation_error", "/name"),
        ({"name": ""}, 400, "validation_error", "/name"),
        ({"labels": {"alertname": "x"}}, 400, "validation_error", "/labels/alertname"),
        ({"labels": {"__name__": "x"}}, 400, "validation_error", "/labels/__name__"),
        ({"labels": {"alertstate": "x"}}, 400, "validation_error", "/labels/alertstate"),
        ({"labels": {"a": "{{ $value"}}, 400, "validation_error", "/labels/a"),
        ({"annotations": {"a": "{{ nothing }}"}}, 400, "validation_error", "/annotations/a"),
        ({"for": "5x"}, 400, "validation_error", "/for"),
        ({"for": "-5m"}, 400, "validation_error", "/for"),
        ({"interval": "10ms"}, 400, "validation_error", "/interval"),
        ({"channels": ["nobody"]}, 422, "unknown_channel", "/channels"),
        (
            {"severity": "a", "labels": {"severity": "b"}},
            400,
            "validation_error",
            "/labels/severity",
        ),
        ({"no_data": "maybe"}, 400, "validation_error", "/no_data"),
        ({"escalation_policy_id": "e" * 65}, 400, "validation_error", "/escalation_policy_id"),
        ({"type": "recording"}, 400, "validation_error", "/name"),
        ({"type": "recording", "name": "x", "for": "1m"}, 400, "validation_error", "/for"),
    ],
)
def test_what_is_no_rule(
    one: AlertRig, fields: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    if fields.get("type") == "recording" and "name" not in fields:
        fields = {**fields, "name": "no metric"}
    answer = one.ask("POST", "/v1/alert-rules", down(**fields))
    error = answer.json()["error"]

    assert (answer.status_code, error["code"]) == (status, code)
    assert error["details"][0]["pointer"] == pointer
    if code in ("syntax_error", "unknown_name"):
        assert (error["line"], error["column"]) == (1, 6 if code == "syntax_error" else 1)
    assert one.get("/v1/alert-rules")["data"] == []


def test_a_rule_is_shown_with_thresholds_and_routing(one: AlertRig) -> None:
    one.route_to_log(routes=[{"matchers": ['severity="page"'], "group_by": ["..."]}])
    rule = one.rule(expr="rate(x[5m]) > 0.5 or (y < -1)", severity="page", service="api")

    assert rule["thresholds"] == [{"op": ">", "value": 0.5}, {"op": "<", "value": -1.0}]
    assert [(r["route"], r["channels"], r["group_by"]) for r in rule["routing"]] == [
        ("0/0", ["log"], ["..."])
    ]
    assert (rule["state"], rule["health"], rule["version"]) == ("unknown", "unknown", 1)
    assert one.get("/v1/alert-rules?service=api")["data"][0]["id"] == rule["id"]
    assert one.get("/v1/alert-rules?service=web")["data"] == []


def test_changes_need_the_version(rig: AlertRig) -> None:
    rule = rig.rule(**{"for": "1m"}, annotations={"summary": "x"})
    path = f"/v1/alert-rules/{rule['id']}"
    changed = rig.ask("PATCH", path, {"version": 1, "expr": "up < 1", "severity": "page"}).json()
    assert (changed["version"], changed["expr"], changed["for"]) == (2, "up < 1", "1m")
    assert changed["annotations"] == {"summary": "x"}
    stale = rig.ask("PATCH", path, {"version": 1, "expr": "up < 2"})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "version_conflict")
    assert rig.ask("PATCH", path, {"expr": "up < 2"}).status_code == 409
    assert rig.ask("PATCH", path, {"version": 2, "expr": "up <"}).status_code == 422
    without = rig.ask("PATCH", path, {"version": 2, "severity": None}).json()

    assert (without["severity"], without["version"]) == (None, 3)


@pytest.mark.slow
def test_a_rule_file_comes_in_and_goes_out(rig: AlertRig) -> None:
    done = rig.post("/v1/alert-rules/import", {"file": "node.yml", "document": FILE}, 200)
    assert done["created"] == ["node/instance:up:max", "node/InstanceDown", "other/TooMany"]
    rig.now(a=0.0)
    rig.step(a=0.0)
    rig.step(a=0.0)
    alert = rig.alert()
    assert alert["labels"] == {
        "alertname": "InstanceDown",
        "cluster": "one",
        "instance": "a",
        "severity": "page",
    }
    assert (alert["state"], alert["annotations"]["summary"]) == ("firing", "a is 0")
    assert rig.series("instance:up:max")[0]["cluster"] == "one"
    text = rig.ask("GET", "/v1/alert-rules/export?file=node.yml").text
    wanted = yaml.safe_load(FILE)
    wanted["groups"][1]["interval"] = "1m"
    assert yaml.safe_load(text) == wanted
    changed = FILE.replace("for: 30s", "for: 45s").replace("TooMany", "Many")
    again = rig.post("/v1/alert-rules/import", {"file": "node.yml", "document": changed}, 200)
    assert (again["created"], again["updated"], again["deleted"], again["unchanged"]) == (
        ["other/Many"],
        ["node/InstanceDown"],
        ["other/TooMany"],
        1,
    )
    rig.step(a=0.0)

    assert rig.alert()["id"] == alert["id"]  # 45 s are over: it goes on
    assert rig.alert()["state"] == "firing"


@pytest.mark.slow
def test_a_group_without_rules_goes_with_its_file(one: AlertRig) -> None:
    def bring(document: str) -> None:
        one.post("/v1/alert-rules/import", {"file": "a.yml", "document": document}, 200)

    bring("groups: [{name: g, rules: []}, {name: h, rules: [{record: x, expr: up}]}]")
    bring("groups: [{name: h, rules: [{record: x, expr: up}]}]")
    found = one.server.prometheus("rules").json()["data"]["groups"]
    assert [group["name"] for group in found] == ["h"]
    bring("groups: []")
    assert one.ask("GET", "/v1/alert-rules/export?file=a.yml").status_code == 404


def test_everything_that_is_wrong_with_a_file_is_told_and_nothing_changes(one: AlertRig) -> None:
    wrong = FILE.replace("max by (instance) (up)", "max by (").replace("for: 30s", "for: 30x")
    answer = one.ask("POST", "/v1/alert-rules/import", {"file": "node.yml", "document": wrong})
    error = answer.json()["error"]

    assert (answer.status_code, error["code"]) == (422, "invalid_rule_file")
    assert len(error["details"]) == 2
    assert error["details"][0]["message"].startswith("line 9, column ")
    assert one.get("/v1/alert-rules")["data"] == []


def test_a_rule_is_tried_over_the_past(one: AlertRig) -> None:
    start = to_ms(NOW)
    values = [1.0] * 4 + [0.0] * 8 + [1.0] * 4 + [0.0] * 2 + [1.0] * 2
    points = [(start + 15_000 * n, value) for n, value in enumerate(values)]
    one.server.write([({"__name__": "up", "instance": "a"}, points)])
    one.clock.step(timedelta(hours=1))
    body = {
        "rule": down(**{"for": "60s"}),
        "start": "2026-04-01T12:00:00Z",
        "end": "2026-04-01T12:04:45Z",
    }
    tried = one.post("/v1/alert-rules/test", body, 200)

    assert (tried["evaluations"], tried["total_alerts"], tried["total_fired"]) == (20, 1, 1)
    (alert,) = tried["alerts"]
    assert [(t["at"][14:19], t["state"]) for t in alert["transitions"]] == [
        ("01:00", "pending"),
        ("02:00", "firing"),
        ("03:00", "resolved"),
        ("04:00", "pending"),
        ("04:30", "inactive"),
    ]
    assert alert["firing_seconds"] == 60
    assert one.alerts() == []
    assert one.series("ALERTS") == []
    refused = one.ask("POST", "/v1/alert-rules/test", {**body, "end": "2027-04-01T12:00:00Z"})
    assert refused.status_code == 400
    assert one.ask("POST", "/v1/alert-rules/test", body, Role.READ_ONLY).status_code == 200


@pytest.mark.slow
def test_the_trial_and_the_evaluator_agree(one: AlertRig) -> None:
    rule = down(**{"for": "30s"}, keep_firing_for="45s")
    one.post("/v1/alert-rules", rule)
    pattern = [1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1]
    for number, value in enumerate(pattern):
        if number:
            one.clock.step(timedelta(seconds=15))
        one.now(a=float(value))
    body = {"rule": rule, "start": "2026-04-01T12:00:00Z", "end": "2026-04-01T12:04:15Z"}
    (tried,) = one.post("/v1/alert-rules/test", body, 200)["alerts"]
    history = [
        (entry["at"], entry["type"])
        for entry in reversed(one.alert()["history"])
        if entry["type"] not in ("recovering", "firing_again")
    ]

    assert [(t["at"], t["state"]) for t in tried["transitions"]] == history


def test_prometheus_sees_the_rules(one: AlertRig) -> None:
    one.post("/v1/alert-rules/import", {"file": "node.yml", "document": FILE}, 200)
    one.now(a=0.0)
    groups = one.server.prometheus("rules").json()["data"]["groups"]
    assert [group["name"] for group in groups] == ["node", "other"]
    recording, alerting = groups[0]["rules"]
    assert recording["type"] == "recording"
    assert alerting["query"] == "instance:up:max == 0"
    assert (alerting["state"], alerting["duration"], alerting["keepFiringFor"]) == (
        "pending",
        30,
        60,
    )
    (active,) = one.server.prometheus("alerts").json()["data"]["alerts"]
    assert active == alerting["alerts"][0]
    assert (active["activeAt"], active["value"]) == ("2026-04-01T12:00:00Z", "0e+00")

    def names(**parameters: Any) -> list[str]:
        found = one.server.prometheus("rules", **parameters).json()["data"]["groups"]
        return [rule["name"] for group in found for rule in group["rules"]]

    assert names(type="record") == ["instance:up:max"]
    assert names(type="alert") == ["InstanceDown", "TooMany"]
    assert names(**{"rule_name[]": "TooMany"}) == ["TooMany"]
    assert names(**{"rule_group[]": "other"}) == ["TooMany"]
    assert names(**{"file[]": "else.yml"}) == []
    assert names(**{"match[]": '{severity="page"}'}) == ["InstanceDown"]
    page = one.server.prometheus("rules", group_limit=1).json()["data"]
    assert [group["name"] for group in page["groups"]] == ["node"]
    rest = {"group_limit": 1, "group_next_token": page["groupNextToken"]}
    assert names(**rest) == ["TooMany"]
    assert "groupNextToken" not in one.server.prometheus("rules", **rest).json()["data"]
    bare = one.server.prometheus("rules", exclude_alerts="true").json()["data"]["groups"]
    assert bare[0]["rules"][1]["alerts"] is None


@pytest.mark.slow
def test_burn_alerts_come_with_their_objective(rig: AlertRig) -> None:
    service = {"name": "api", "owner": "team", "tier": "tier1"}
    assert rig.ask("POST", "/v1/services", service).status_code == 201
    objective = {
        "objective": "0.999",
        "indicator": {"type": "ratio", "bad": 'r{code="500"}', "total": "r"},
    }
    made = rig.post("/v1/slo/api", objective)
    rig.server.run_jobs()
    rules = rig.get("/v1/alert-rules")["data"]
    assert [rule["name"] for rule in rules] == ["SLOBurnPage", "SLOBurnTicket"]
    assert rules[0]["managed"] == f"slo:{made['id']}"
    assert rules[0]["labels"] == {"service": "api", "slo": "availability", "severity": "page"}
    path = f"/v1/alert-rules/{rules[0]['id']}"
    refused = rig.ask("PATCH", path, {"version": 1, "for": "1m"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "rule_is_managed")
    assert rig.ask("DELETE", path).status_code == 409
    # 20 % of the requests fail: both windows burn 200 times as fast as they may.
    for minute in range(70):
        now = to_ms(rig.clock.now())
        series = [
            ({"__name__": "r", "code": code}, [(now, float(minute * count))])
            for code, count in (("200", 80), ("500", 20))
        ]
        rig.server.write(series)
        rig.step(60)
    firing = {alert["name"]: alert["service"] for alert in rig.alerts("?firing=true")}
    assert firing == {"SLOBurnPage": "api", "SLOBurnTicket": "api"}
    assert rig.ask("DELETE", "/v1/slo/api/availability").status_code == 204
    rig.server.run_jobs()

    assert rig.get("/v1/alert-rules")["data"] == []
    assert rig.alerts("?firing=true") == []
