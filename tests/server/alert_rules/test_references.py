"""What a body names must be there: services of the catalog, escalation policies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.servers.alert_rig import AlertRig, down

INCIDENT = {"title": "It burns", "severity": "sev1", "services": []}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"service": "nowhere"}, "unknown_service"),
        ({"service": "Api"}, "unknown_service"),
        ({"escalation_policy_id": "esc_01"}, "unknown_escalation_policy"),
    ],
)
def test_a_rule_names_what_there_is(one: AlertRig, fields: dict[str, Any], code: str) -> None:
    rule = one.rule(service="api")
    (field,) = fields
    for method, path, body in (
        ("POST", "/v1/alert-rules", down(**fields)),
        ("PATCH", f"/v1/alert-rules/{rule['id']}", {"version": 1, **fields}),
    ):
        answer = one.ask(method, path, body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, code)
        assert [one["pointer"] for one in error["details"]] == [f"/{field}"]
    assert [r["service"] for r in one.get("/v1/alert-rules")["data"]] == ["api"]


def test_a_rule_whose_service_has_gone_can_be_changed(one: AlertRig) -> None:
    rule = one.rule(service="api")
    assert one.ask("DELETE", "/v1/services/api").status_code == 204
    path = f"/v1/alert-rules/{rule['id']}"
    first = one.ask("PATCH", path, {"version": 1, "severity": "page"})
    second = one.ask("PATCH", path, {"version": 2, "service": "api", "severity": None})
    assert [first.json()["service"], second.json()["service"]] == ["api", "api"]
    assert one.ask("PATCH", path, {"version": 3, "service": "web"}).status_code == 422
    assert one.ask("PATCH", path, {"version": 3, "service": None}).json()["service"] is None


@pytest.mark.parametrize("policy", ["", "x", "esc_", "esc_a/b", "usr_01", "esc_" + "0" * 61])
def test_the_id_of_a_policy_has_its_form(one: AlertRig, policy: str) -> None:
    bodies = {
        "/v1/alert-rules": down(escalation_policy_id=policy),
        "/v1/incidents": {**INCIDENT, "escalation_policy_id": policy},
    }
    for path, body in bodies.items():
        answer = one.ask("POST", path, body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["details"][0]["pointer"] == "/escalation_policy_id"


def test_an_incident_names_a_policy_that_there_is(one: AlertRig) -> None:
    answer = one.ask("POST", "/v1/incidents", {**INCIDENT, "escalation_policy_id": "esc_01"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "unknown_escalation_policy"
    assert one.get("/v1/incidents")["data"] == []
