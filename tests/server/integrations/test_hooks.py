"""Hooks: authentication, deduplication, mapping, and the log of requests."""

from __future__ import annotations

import hmac
import json
from typing import Any

import httpx
import pytest

from novaql.server.auth.roles import Role
from tests.support.servers.integration_rig import IntegrationRig, integration_rig

SECRET = "correct-horse-battery-staple"
DEPLOY = {
    "name": "deploys",
    "secret": SECRET,
    "report": "deploy",
    "message_id": {"pointer": "/event/id"},
    "fields": {
        "id": {"pointer": "/event/id"},
        "service": {"pointer": "/project", "map": {"shop-api": "shop"}},
        "version": {"pointer": "/commits/0/sha"},
        "environment": {"value": "production"},
        "at": {"pointer": "/at"},
    },
}
INCIDENT = {
    "name": "alarms",
    "secret": SECRET,
    "report": "incident",
    "signature": {"type": "hmac_sha256", "header": "X-Sig", "prefix": "sha256="},
    "message_id": {"header": "X-Id"},
    "fields": {
        "key": {"pointer": "/alarm"},
        "title": {"pointer": "/text"},
        "severity": {"pointer": "/level", "map": {"high": "sev1"}, "default": "sev4"},
        "services": {"pointer": "/services"},
        "action": {"pointer": "/state", "map": {"up": "resolve", "down": "trigger"}},
    },
}
PUSH = {
    "event": {"id": 7},
    "project": "shop-api",
    "commits": [{"sha": "abc"}],
    "at": "2026-04-01T11:50:00Z",
    "api_key": "very-secret-value",
}


def hook(rig: IntegrationRig, body: Any) -> str:
    return str(rig.post("/generic_webhook/hooks", body, expect=201)["id"])


def send(
    rig: IntegrationRig, hook_id: str, body: Any, secret: str = SECRET, **headers: str
) -> httpx.Response:
    named = {"X-Webhook-Token": secret, **{n.replace("_", "-"): v for n, v in headers.items()}}
    return rig.server.client.post(f"/v1/integrations/webhook/{hook_id}", json=body, headers=named)


def signed(
    rig: IntegrationRig, hook_id: str, body: Any, message: str = "1", prefix: str = "sha256="
) -> httpx.Response:
    content = json.dumps(body).encode()
    digest = hmac.new(SECRET.encode(), content, "sha256").hexdigest()
    headers = {"X-Sig": f"{prefix}{digest}", "X-Id": message, "Content-Type": "application/json"}
    path = f"/v1/integrations/webhook/{hook_id}"
    return rig.server.client.post(path, content=content, headers=headers)


def log(rig: IntegrationRig, hook_id: str) -> list[dict[str, Any]]:
    return list(rig.get(f"/generic_webhook/hooks/{hook_id}/requests")["data"])


def test_a_deploy_is_stored_once_for_each_message(rig: IntegrationRig) -> None:
    made = hook(rig, DEPLOY)
    first, again = send(rig, made, PUSH), send(rig, made, PUSH)

    assert (first.status_code, again.status_code) == (202, 202)
    assert (first.json()["outcome"], again.json()["outcome"]) == ("accepted", "duplicate")
    (deploy,) = rig.get("/generic_webhook/resources")["data"]
    assert first.json()["resources"] == [deploy["id"]]
    assert (deploy["kind"], deploy["service"], deploy["external_id"]) == ("deploy", "shop", "7")
    assert deploy["at"] == "2026-04-01T11:50:00Z"
    assert deploy["data"] == {"version": "abc", "environment": "production", "status": "succeeded"}


def test_the_log_masks_secrets(rig: IntegrationRig) -> None:
    made = hook(rig, DEPLOY)
    send(rig, made, PUSH, Authorization="Bearer abc", X_Other="shown")
    (entry,) = log(rig, made)

    assert (entry["outcome"], entry["status"], entry["message_id"]) == ("accepted", 202, "7")
    assert "very-secret-value" not in json.dumps(entry)
    assert SECRET not in json.dumps(entry)
    assert "Bearer abc" not in json.dumps(entry)
    assert entry["headers"]["x-other"] == "shown"
    assert '"shop-api"' in entry["body"]


def test_the_log_has_the_last_requests_only() -> None:
    with integration_rig(integration_hook_log=3) as rig:
        made = hook(rig, DEPLOY)
        for number in range(5):
            send(rig, made, {**PUSH, "event": {"id": number}})

        assert [one["message_id"] for one in log(rig, made)] == ["4", "3", "2"]
        assert rig.get(f"/generic_webhook/hooks/{made}")["received"] == 5


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"event": {}}, "/event/id"),
        ({"event": {"id": {"deep": 1}}}, "/event/id"),
        ({"at": "yesterday"}, "/at"),
        ({"at": True}, "/at"),
        ({"project": ["a"]}, "/project"),
        ({"commits": [{"sha": {}}]}, "/commits/0/sha"),
    ],
)
def test_a_body_that_does_not_fit_is_a_400_with_pointer(
    rig: IntegrationRig, changed: dict[str, Any], pointer: str
) -> None:
    made = hook(rig, DEPLOY)
    answer = send(rig, made, {**PUSH, **changed})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == pointer
    (entry,) = log(rig, made)
    assert (entry["outcome"], entry["status"]) == ("rejected", 400)
    assert entry["details"][0]["pointer"] == pointer
    assert rig.get("/generic_webhook/resources")["data"] == []
    assert send(rig, made, PUSH).json()["outcome"] == "accepted"  # its id was not used up


def test_a_body_that_is_not_json_too_large_or_of_another_type(rig: IntegrationRig) -> None:
    made = hook(rig, DEPLOY)
    path, headers = f"/v1/integrations/webhook/{made}", {"X-Webhook-Token": SECRET}
    json_type = {**headers, "Content-Type": "application/json"}
    post = rig.server.client.post

    assert post(path, content=b"{", headers=json_type).status_code == 400
    assert post(path, content=b'{"a": NaN}', headers=json_type).status_code == 400
    assert post(path, content=b"[" * 100_000, headers=json_type).status_code == 400
    assert post(path, content=b"a=1", headers=headers).status_code == 415
    large = b'"' + b"x" * (256 << 10) + b'"'
    assert post(path, content=large, headers=json_type).status_code == 413


def test_a_wrong_secret_and_an_unknown_hook_are_the_same_refusal(rig: IntegrationRig) -> None:
    made = hook(rig, DEPLOY)
    wrong, absent = send(rig, made, PUSH, "guess"), send(rig, "hok_0", PUSH)
    missing = rig.server.client.post(f"/v1/integrations/webhook/{made}", json=PUSH)

    for answer in (wrong, absent, missing):
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "invalid_hook"
    assert wrong.json()["error"]["message"] == absent.json()["error"]["message"]
    assert rig.get("/generic_webhook/resources")["data"] == []
    assert log(rig, made) == []


def test_an_incident_is_triggered_once_and_resolved(rig: IntegrationRig) -> None:
    made = hook(rig, INCIDENT)
    body = {"alarm": "disk", "text": "disk full", "level": "high", "state": "down"}
    headers = rig.server.bearer()
    opened = signed(rig, made, {**body, "services": ["nowhere"]})
    signed(rig, made, body)  # the same message
    signed(rig, made, body, "2")
    (incident,) = rig.server.client.get("/v1/incidents", headers=headers).json()["data"]

    assert opened.json()["incidents"] == [incident["id"]]
    assert (incident["severity"], incident["triggers"]) == ("sev1", 2)
    assert incident["services"] == []
    assert incident["created_by"]["type"] == "system"
    signed(rig, made, {**body, "state": "up"}, "3")
    (incident,) = rig.server.client.get("/v1/incidents", headers=headers).json()["data"]
    assert incident["status"] == "resolved"
    assert signed(rig, made, {**body, "state": "up"}, "4").json()["incidents"] == []


def test_the_hmac_is_over_the_bytes(rig: IntegrationRig) -> None:
    made = hook(rig, INCIDENT)
    digest = hmac.new(SECRET.encode(), b"{}", "sha256").hexdigest()
    headers = {"X-Sig": f"sha256={digest}", "X-Id": "1", "Content-Type": "application/json"}
    path = f"/v1/integrations/webhook/{made}"

    assert rig.server.client.post(path, content=b"{ }", headers=headers).status_code == 403
    bare = {**headers, "X-Sig": digest}
    assert rig.server.client.post(path, content=b"{}", headers=bare).status_code == 403
    assert rig.server.client.post(path, content=b"{}", headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"report": None}, "/report"),
        ({"fields": {"service": {"value": "x"}}}, "/fields"),
        ({"fields": {**DEPLOY["fields"], "colour": {"value": "x"}}}, "/fields/colour"),  # type: ignore[dict-item]
        ({"fields": {"id": {"value": "x", "pointer": "/x"}}}, "/fields/id"),
        ({"fields": {"id": {}}}, "/fields/id"),
        ({"fields": {"id": {"pointer": "x"}}}, "/fields/id/pointer"),
        ({"message_id": {}}, "/message_id"),
        ({"secret": "short"}, "/secret"),
        ({"services": {"a": "b"}}, "/services"),
    ],
)
def test_configurations_are_checked(
    rig: IntegrationRig, changed: dict[str, Any], pointer: str
) -> None:
    answer = rig.ask("POST", "/generic_webhook/hooks", {**DEPLOY, **changed})

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == pointer


def test_a_deleted_hook_receives_nothing(rig: IntegrationRig) -> None:
    made = hook(rig, DEPLOY)
    send(rig, made, PUSH)
    assert rig.ask("DELETE", f"/generic_webhook/hooks/{made}").status_code == 204

    assert send(rig, made, PUSH).status_code == 403
    assert rig.ask("GET", f"/generic_webhook/hooks/{made}").status_code == 404
    assert len(rig.get("/generic_webhook/resources")["data"]) == 1


def test_secrets_of_hooks_are_shown_once(rig: IntegrationRig) -> None:
    made = rig.post("/generic_webhook/hooks", {**DEPLOY, "secret": None}, expect=201)

    assert len(made["secret"]) >= 32
    assert send(rig, made["id"], PUSH, made["secret"]).status_code == 202
    assert "secret" not in rig.get(f"/generic_webhook/hooks/{made['id']}")
    assert rig.ask("GET", "/generic_webhook/hooks", role=Role.OPERATOR).status_code == 403


def test_requests_to_one_hook_are_limited() -> None:
    with integration_rig(integration_hook_per_minute=2) as rig:
        made = hook(rig, DEPLOY)
        codes = [send(rig, made, PUSH).status_code for _ in range(3)]
        rig.step(60)

        assert codes == [202, 202, 429]
        assert send(rig, made, PUSH).status_code == 202


@pytest.mark.parametrize("prefix", ["", "HMAC-SHA256="])
def test_the_prefix_of_a_signature_may_have_capitals(rig: IntegrationRig, prefix: str) -> None:
    signature = {"type": "hmac_sha256", "header": "X-Sig", "prefix": prefix}
    hook_id = hook(rig, {**INCIDENT, "signature": signature})
    body = {"alarm": "a", "text": "down"}

    assert signed(rig, hook_id, body, prefix=prefix).status_code == 202
    assert signed(rig, hook_id, body, prefix="other=").status_code == 403
