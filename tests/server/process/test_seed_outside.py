"""Escalation policies, synthetic checks and integrations of the first description, over HTTP.

Against a real process with workers, as a second tenant, on both databases: what reaches other
systems is looked at there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.support.contract.seed import promised
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.fake_provider import KEY, FakeProvider, fake_provider
from tests.support.servers.state_databases import KINDS
from tests.support.servers.tenant_client import TenantClient, second_tenant

pytestmark = pytest.mark.slow

OURS = ("/escalation-policies", "/synthetics", "/integrations")
SETTINGS = {
    "egress_allow": "127.0.0.0/8",
    "webhook_http": "true",
    "job_poll_s": "0.2",
    "synthetic_alert_interval_s": "1",
    "workers": "2",
}


@pytest.fixture(scope="module")
def outside() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as fake:
        yield fake


@pytest.fixture(scope="module", params=KINDS)
def acme(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    provider: FakeProvider,
) -> Iterator[TenantClient]:
    data = tmp_path_factory.mktemp("outside") / "data"
    settings = {**SETTINGS, "integrations_fake_url": provider.url}
    with second_tenant(request.param, data, **settings) as (here, first):
        check = {"name": "theirs", "type": "http", "target": here.server.url, "interval": "1h"}
        first.json("POST", "/v1/synthetics", check, 201)
        yield here


def test_a_policy_pages_until_a_user_acknowledges(acme: TenantClient, outside: Receiver) -> None:
    outside.heard.clear()
    body = {"email": "eve@acme.example", "name": "Eve", "role": "operator"}
    eve = acme.json("POST", "/v1/users", body, 201)["id"]
    method = {"name": "hook", "type": "webhook", "webhook": {"url": f"{outside.url}/eve"}}
    acme.json("POST", f"/v1/users/{eve}/contact-methods", method, 201)
    channel = {"name": "ops", "type": "webhook", "webhook": {"url": f"{outside.url}/ops"}}
    ops = acme.json("POST", "/v1/notification-channels", channel, 201)["id"]
    steps = [
        {"wait": "1s", "targets": [{"type": "channel", "id": ops}]},
        {"wait": "1h", "targets": [{"type": "user", "id": eve}]},
    ]
    policy = {"name": "payments", "steps": steps, "repeat": 1}
    made = acme.json("POST", "/v1/escalation-policies", policy, 201)
    assert acme.json("GET", "/v1/escalation-policies")["data"] == [made]
    wrong = [{"wait": "1s", "targets": [{"type": "user", "id": "usr_absent"}]}]
    acme.json("POST", "/v1/escalation-policies", {**policy, "name": "b", "steps": wrong}, 422)
    incident = {
        "title": "orders fail",
        "severity": "sev2",
        "services": [],
        "escalation_policy_id": made["id"],
    }
    path = f"/v1/incidents/{acme.json('POST', '/v1/incidents', incident, 201)['id']}"
    acme.until(lambda: outside.of("/eve"))
    acme.json("POST", f"{path}/ack", {})

    assert [len(outside.of(where)) for where in ("/ops", "/eve")] == [1, 1]
    page = orjson.loads(outside.of("/eve")[0].body)
    assert (page["type"], page["incident"]["title"]) == ("page", "orders fail")
    pages = acme.json("GET", f"{path}/pages")["data"]
    assert [(one["step"], one["target"]["type"]) for one in pages] == [(1, "user"), (0, "channel")]
    escalations = f"/v1/escalations?incident={path.rpartition('/')[2]}"
    acme.until(lambda: acme.json("GET", escalations)["data"][0]["state"] == "acknowledged")


def test_a_check_from_beginning_to_end(acme: TenantClient) -> None:
    body = {
        "name": "front door",
        "type": "http",
        "target": f"{acme.server.url}/healthz",
        "interval": "1h",
        "failure_threshold": 1,
    }
    made = acme.json("POST", "/v1/synthetics", body, 201)
    path = f"/v1/synthetics/{made['id']}"
    assert [one["name"] for one in acme.json("GET", "/v1/synthetics")["data"]] == ["front door"]
    run = acme.json("POST", f"{path}/run", {}, 202)["run_id"]

    def ended() -> Any:
        return acme.json("GET", f"{path}/results?trigger=manual&status=success")["data"]

    (found,) = acme.until(ended)
    assert (found["run_id"], found["status"], found["http_status"]) == (run, "success", 200)
    refused = {"name": "inside", "type": "tcp", "target": "10.0.0.1:22", "interval": "1m"}
    acme.json("POST", "/v1/synthetics", refused, 422)
    acme.ask("DELETE", path, expect=204)
    acme.ask("DELETE", path, expect=404)
    assert acme.json("GET", "/v1/synthetics")["data"] == []
    assert ended()[0]["run_id"] == run  # results can be read for some days


def test_an_integration_from_beginning_to_end(acme: TenantClient, provider: FakeProvider) -> None:
    provider.resources = [{"kind": "service", "id": f"s-{n}", "name": f"n{n}"} for n in range(5)]
    provider.access.add(KEY)  # the end of a connection has revoked it
    path = "/v1/integrations/fake"
    connected = acme.json("POST", f"{path}/connect", {"api_key": KEY})
    assert connected["status"] == "connected"
    assert acme.json("POST", f"{path}/test", {})["ok"] is True
    syncs = f"{path}/syncs"

    def synced(count: int) -> Any:
        found = acme.json("GET", syncs)["data"]
        return len(found) == count and found[0]["status"] == "succeeded" and found

    acme.until(lambda: synced(1))
    provider.resources.pop()
    acme.json("POST", f"{path}/sync", expect=202)
    newest = acme.until(lambda: synced(2))[0]
    assert newest["counts"]["service"] == {"unchanged": 4, "vanished": 1}
    assert acme.json("GET", f"{path}/status")["healthy"] is True
    (listed,) = acme.json("GET", "/v1/integrations")["data"]
    assert (listed["provider"], listed["status"]) == ("fake", "connected")
    provider.fail("/me", (401, {"error": {"message": "revoked"}}))
    refused = acme.json("POST", f"{path}/test", {})
    assert (refused["ok"], refused["reason_code"]) == (False, "unauthorized")
    acme.ask("DELETE", path, expect=204)
    assert acme.json("GET", f"{path}/status")["status"] == "disconnected"
    acme.json("POST", f"{path}/test", {}, 409)


def test_every_promised_endpoint_was_used(acme: TenantClient) -> None:
    assert promised(*OURS) - acme.used == set()
