"""/v1/escalation-policies, and the policies that incidents and rules name."""

from __future__ import annotations

from typing import Any

import pytest

from novaql.server.auth.roles import Role
from tests.server.escalation.conftest import Watch, step


def test_a_policy_from_beginning_to_end(watch: Watch) -> None:
    channel = watch.post("/notification-channels", {"name": "log", "type": "sink"})["id"]
    steps = [
        step(watch.target("ada"), watch.schedule("bob"), wait="30s"),
        step({"type": "channel", "id": channel}, watch.target("eve"), mode="round_robin"),
        step(watch.target("bob"), mode="multi_ack", acknowledgers=1),
    ]
    answer = watch.ask("POST", "/escalation-policies", {"name": "shop", "steps": steps})
    made = answer.json()
    path = f"/escalation-policies/{made['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1{path}")
    assert (made["repeat"], made["ack_timeout"], made["version"]) == (0, "30m", 1)
    usual = {"mode": "all", "acknowledgers": None}
    assert made["steps"] == [{**usual, **one} for one in steps]
    assert watch.get(path) == made
    assert watch.get("/escalation-policies?name=shop")["data"] == [made]
    assert watch.get("/escalation-policies?name=sho")["data"] == []

    change = {"id": made["id"], "version": 1, "name": "shop", "steps": steps[:1], "repeat": 9}
    changed = watch.post("/escalation-policies", {**change, "ack_timeout": None}, 200)
    assert (changed["version"], changed["repeat"], changed["ack_timeout"]) == (2, 9, None)
    assert watch.refused("POST", "/escalation-policies", change)[:2] == (409, "version_conflict")
    headers = {**watch.server.bearer(), "If-Match": '"2"'}
    url = "/v1/escalation-policies"
    again = watch.server.client.post(url, json={**change, "version": None}, headers=headers)
    assert (again.status_code, again.json()["version"]) == (200, 3)
    assert watch.ask("DELETE", path).status_code == 204
    assert watch.ask("DELETE", path).status_code == 404
    unknown = {**change, "version": 3}
    assert watch.refused("POST", "/escalation-policies", unknown)[:2] == (
        404,
        "escalation_policy_not_found",
    )


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"steps": []}, "/steps"),
        ({"repeat": 10}, "/repeat"),
        ({"ack_timeout": "0s"}, "/ack_timeout"),
        ({"ack_timeout": "31d"}, "/ack_timeout"),
        ({"wait": "0s"}, "/steps/0/wait"),
        ({"wait": "8d"}, "/steps/0/wait"),
        ({"acknowledgers": 1}, "/steps/0/acknowledgers"),
        ({"mode": "some"}, "/steps/0/mode"),
        ({"targets": []}, "/steps/0/targets"),
        ({"targets": [{"type": "team", "id": "t"}]}, "/steps/0/targets/0/type"),
    ],
)
def test_what_is_no_policy(watch: Watch, fields: dict[str, Any], pointer: str) -> None:
    whole = {key: value for key, value in fields.items() if key in ("steps", "repeat")}
    whole |= {key: fields[key] for key in ("ack_timeout",) if key in fields}
    one = {"wait": "5m", "targets": [watch.target("ada")]}
    one |= {key: fields[key] for key in fields if key not in whole}
    body = {"name": "p", "steps": [one], **whole}
    assert watch.refused("POST", "/escalation-policies", body) == (
        400,
        "validation_error",
        [pointer],
    )


@pytest.mark.parametrize("type_", ["user", "schedule", "channel"])
def test_targets_exist(watch: Watch, type_: str) -> None:
    body = {"name": "p", "steps": [step(watch.target("ada"), {"type": type_, "id": "x_01"})]}
    expected = (422, f"unknown_{type_}", ["/steps/0/targets/1/id"])
    assert watch.refused("POST", "/escalation-policies", body) == expected


def test_known_targets_may_stay_after_they_left(watch: Watch) -> None:
    policy = watch.policy(step(watch.target("ada")))
    watch.ask("DELETE", f"/users/{watch.users['ada']}")
    body = {"name": "p", "steps": [step(watch.target("ada"))]}
    assert watch.refused("POST", "/escalation-policies", body)[:2] == (422, "unknown_user")
    changed = {**body, "id": policy["id"], "version": 1}
    assert watch.post("/escalation-policies", changed, 200)["version"] == 2


def test_incidents_and_rules_name_a_policy_that_exists(watch: Watch) -> None:
    policy = watch.policy(step(watch.target("ada")))
    incident = {"title": "t", "severity": "sev1", "services": []}
    rule = {"name": "Down", "expr": "up == 0"}
    for path, body in (("/incidents", incident), ("/alert-rules", rule)):
        unknown = {**body, "escalation_policy_id": "esc_01"}
        assert watch.refused("POST", path, unknown) == (
            422,
            "unknown_escalation_policy",
            ["/escalation_policy_id"],
        )
        made = watch.post(path, {**body, "escalation_policy_id": policy["id"]})
        assert made["escalation_policy_id"] == policy["id"]


def test_roles(watch: Watch) -> None:
    body = {"name": "p", "steps": [step(watch.target("ada"))]}
    reader = watch.server.bearer(Role.READ_ONLY)
    url = "/v1/escalation-policies"
    assert watch.server.client.post(url, json=body, headers=reader).status_code == 403
    operator = watch.server.bearer(Role.OPERATOR)
    assert watch.server.client.post(url, json=body, headers=operator).status_code == 201
    assert len(watch.server.client.get(url, headers=reader).json()["data"]) == 1
