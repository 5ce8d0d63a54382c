"""GitHub: the device flow, deployments by sync and by signed hooks, and its ways to fail."""

from __future__ import annotations

import hmac
import json
from typing import Any

import httpx
import pytest

from tests.support.servers.fake_provider import Answer
from tests.support.servers.integration_rig import IntegrationRig, integration_rig

REPOSITORY = "acme/shop-api"
DEPLOYMENTS = f"/api/v3/repos/{REPOSITORY}/deployments"
SECRET = "a-long-enough-secret"


def deployment(number: int, at: str = "2026-04-01T11:00:00Z") -> dict[str, Any]:
    return {
        "id": number,
        "sha": "0123456789abcdef",
        "ref": f"v{number}",
        "environment": "production",
        "description": None,
        "creator": {"login": "ada"},
        "created_at": at,
    }


def settings(rig: IntegrationRig, **more: Any) -> dict[str, Any]:
    return {
        "base_url": rig.fake.url,
        "repositories": [REPOSITORY],
        "services": {REPOSITORY: "shop"},
        **more,
    }


def works(rig: IntegrationRig) -> None:
    """The answers to a test."""
    rig.fake.fail("/api/v3/user", (200, {"login": "ada"}))
    rig.fake.fail(DEPLOYMENTS, (200, []))


def has(rig: IntegrationRig, *deployments: tuple[dict[str, Any], str]) -> None:
    """The answers to a sync."""
    answer = {"default_branch": "main", "archived": False, "html_url": "https://github.com/x"}
    rig.fake.fail(f"/api/v3/repos/{REPOSITORY}", (200, answer))
    rig.fake.fail(DEPLOYMENTS, (200, [one for one, _ in deployments]))
    for one, state in deployments:
        statuses = [{"state": state, "log_url": "https://ci.example/1"}]
        rig.fake.fail(f"{DEPLOYMENTS}/{one['id']}/statuses", (200, statuses))


def deploys(rig: IntegrationRig) -> dict[str, Any]:
    found = rig.get("/github/resources?kind=deploy")["data"]
    return {one["external_id"]: one for one in found}


def connected(rig: IntegrationRig) -> None:
    works(rig)
    rig.post("/github/connect", settings(rig, flow="api_key", token="ghp_secret"))


def test_deployments_become_deploys_of_their_service(rig: IntegrationRig) -> None:
    connected(rig)
    has(rig, (deployment(2), "success"), (deployment(1), "failure"))
    rig.server.run_jobs()

    found = deploys(rig)
    assert {key: one["data"]["status"] for key, one in found.items()} == {
        f"{REPOSITORY}#1": "failed",
        f"{REPOSITORY}#2": "succeeded",
    }
    one = found[f"{REPOSITORY}#2"]
    assert (one["service"], one["at"]) == ("shop", "2026-04-01T11:00:00Z")
    assert one["data"]["version"] == "v2"
    assert one["url"] == "https://ci.example/1"
    assert one["name"] == f"{REPOSITORY} v2 to production"


def test_a_second_sync_reads_what_is_new(rig: IntegrationRig) -> None:
    connected(rig)
    has(rig, (deployment(1, "2026-03-01T00:00:00Z"), "success"))
    rig.server.run_jobs()
    has(rig, (deployment(2), "in_progress"), (deployment(1, "2026-03-01T00:00:00Z"), "success"))
    rig.step(900)

    assert len(deploys(rig)) == 2
    assert deploys(rig)[f"{REPOSITORY}#2"]["data"]["status"] == "pending"
    assert rig.fake.asked.count(f"{DEPLOYMENTS}/1/statuses") == 1
    assert rig.get("/github/syncs")["data"][0]["status"] == "succeeded"


def test_the_device_flow_of_github_sends_errors_with_status_200(rig: IntegrationRig) -> None:
    grant = {
        "device_code": "dc",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://github.com/login/device",
        "expires_in": 900,
        "interval": 5,
    }
    rig.fake.fail("/login/device/code", (200, grant))
    rig.fake.fail(
        "/login/oauth/access_token",
        (200, {"error": "slow_down", "interval": 12}),
        (200, {"access_token": "gho_secret", "token_type": "bearer", "scope": "repo"}),
    )
    answer = rig.post("/github/connect", settings(rig, client_id="Iv1.x"))
    assert answer["verification_uri"] == "https://github.com/login/device"
    assert rig.fake.of("/login/device/code")[0]["scope"] == "repo_deployment"
    rig.step(5)
    rig.step(11)
    assert len(rig.fake.of("/login/oauth/access_token")) == 1
    rig.step(1)

    assert rig.get("/github/status")["status"] == "connected"
    works(rig)
    assert rig.post("/github/test")["detail"] == "connected as ada"


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        ("/api/v3/user", (401, {}), "unauthorized"),
        ("/api/v3/user", (200, {}), "provider_error"),
        (DEPLOYMENTS, (404, {}), "forbidden_scope"),
        (DEPLOYMENTS, (403, {}), "forbidden_scope"),
        (DEPLOYMENTS, (429, {}), "rate_limited"),
    ],
)
def test_reasons(rig: IntegrationRig, path: str, answer: Answer, reason: str) -> None:
    connected(rig)
    rig.fake.fail(
        "/api/v3/user", *((answer,) if path.endswith("user") else ((200, {"login": "a"}),))
    )
    rig.fake.fail(DEPLOYMENTS, answer)

    assert rig.post("/github/test")["reason_code"] == reason


@pytest.mark.parametrize(
    "body",
    [
        {"flow": "api_key"},
        {"flow": "device"},
        {"flow": "oauth", "client_id": "x"},
        {"flow": "api_key", "token": "x", "repositories": ["no-owner"]},
        {"flow": "api_key", "token": "x", "repositories": ["a/../b"]},
        {"flow": "api_key", "token": "x", "repositories": []},
    ],
)
def test_settings_are_checked(rig: IntegrationRig, body: dict[str, Any]) -> None:
    assert rig.ask("POST", "/github/connect", settings(rig, **body)).status_code == 400


def test_a_private_address_is_rejected_and_not_dialed() -> None:
    with integration_rig(egress_allow="") as rig:
        body = settings(rig, flow="api_key", token="ghp_secret")
        answer = rig.ask("POST", "/github/connect", body)

        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "target_not_allowed"
        assert rig.fake.asked == []


def push(rig: IntegrationRig, hook_id: str, body: Any, event: str, delivery: str) -> httpx.Response:
    content = json.dumps(body).encode()
    digest = hmac.new(SECRET.encode(), content, "sha256").hexdigest()
    headers = {
        "X-Hub-Signature-256": f"sha256={digest}",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "Content-Type": "application/json",
    }
    path = f"/v1/integrations/webhook/{hook_id}"
    return rig.server.client.post(path, content=content, headers=headers)


def test_a_signed_hook_updates_the_row_of_the_sync(rig: IntegrationRig) -> None:
    connected(rig)
    has(rig, (deployment(1), "in_progress"))
    rig.server.run_jobs()
    body = {"name": "gh", "secret": SECRET, "services": {REPOSITORY: "shop"}}
    hook_id = rig.post("/github/hooks", body, expect=201)["id"]
    event = {
        "repository": {"full_name": REPOSITORY},
        "deployment": deployment(1),
        "deployment_status": {"state": "success", "log_url": "https://ci.example/1"},
    }
    assert push(rig, hook_id, {"zen": "."}, "ping", "0").json()["outcome"] == "ignored"
    first = push(rig, hook_id, event, "deployment_status", "1")
    again = push(rig, hook_id, event, "deployment_status", "1")

    assert (first.json()["outcome"], again.json()["outcome"]) == ("accepted", "duplicate")
    assert len(deploys(rig)) == 1
    assert deploys(rig)[f"{REPOSITORY}#1"]["data"]["status"] == "succeeded"
    old = {**event, "deployment": deployment(1, "0001-01-01T00:00:00+14:00")}
    for wrong in ({}, {**event, "deployment": 1}, {**event, "repository": {}}, old):
        assert push(rig, hook_id, wrong, "deployment_status", "2").status_code == 400
    path = f"/v1/integrations/webhook/{hook_id}"
    headers = {"X-Hub-Signature-256": "sha256=00", "Content-Type": "application/json"}
    assert rig.server.client.post(path, content=b"{}", headers=headers).status_code == 403


def test_a_late_message_does_not_replace_a_newer_state(rig: IntegrationRig) -> None:
    body = {"name": "gh", "secret": SECRET, "services": {REPOSITORY: "shop"}}
    hook_id = rig.post("/github/hooks", body, expect=201)["id"]

    seen: list[str] = []

    def status(state: str, at: str, number: int) -> str:
        seen.append(state)
        event = {
            "repository": {"full_name": REPOSITORY},
            "deployment": deployment(1),
            "deployment_status": {"state": state, "created_at": at, "id": number},
        }
        answer = push(rig, hook_id, event, "deployment_status", f"{len(seen)}")
        assert answer.json()["outcome"] == "accepted"
        return str(deploys(rig)[f"{REPOSITORY}#1"]["data"]["status"])

    assert status("in_progress", "2026-04-01T11:59:00Z", 11) == "pending"
    assert status("success", "2026-04-01T11:59:30Z", 13) == "succeeded"
    assert status("in_progress", "2026-04-01T11:59:00Z", 11) == "succeeded"
    assert status("queued", "2026-04-01T11:59:30Z", 12) == "succeeded"
    assert status("failure", "2026-04-01T12:00:00Z", 14) == "failed"
    event = {"repository": {"full_name": REPOSITORY}, "deployment": deployment(1)}
    push(rig, hook_id, event, "deployment", "created")
    assert deploys(rig)[f"{REPOSITORY}#1"]["data"]["status"] == "failed"
