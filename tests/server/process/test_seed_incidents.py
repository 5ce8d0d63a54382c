"""Incidents of the first description, over HTTP, against a real process.

As a second tenant, on both databases, whose neighbour has an incident with the same key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson
import pytest

from tests.support.contract.seed import promised
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.http_server import WRITE_HEADERS
from tests.support.servers.state_databases import KINDS
from tests.support.servers.tenant_client import TenantClient, second_tenant

pytestmark = pytest.mark.slow

OURS = ("/incidents",)
SETTINGS = {"egress_allow": "127.0.0.0/8", "webhook_http": "true"}


@pytest.fixture(scope="module", params=KINDS)
def acme(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TenantClient]:
    data = tmp_path_factory.mktemp("incidents") / "data"
    with second_tenant(request.param, data, **SETTINGS) as (here, first):
        body = {"title": "neighbour", "severity": "sev1", "services": [], "dedup_key": "api"}
        first.json("POST", "/v1/incidents", body, 201)
        yield here


@pytest.fixture(scope="module")
def outside() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_an_incident_from_beginning_to_end(acme: TenantClient, outside: Receiver) -> None:
    outside.heard.clear()
    hook = {"url": f"{outside.url}/incidents", "events": ["incident.*"]}
    acme.json("POST", "/v1/webhooks", hook, 201)
    acme.json("POST", "/v1/services", {"name": "api", "owner": "x", "tier": "t"}, 201)
    body = {"title": "errors", "severity": "sev2", "services": ["api"], "dedup_key": "api"}
    acme.json("POST", "/v1/incidents", {**body, "services": ["apj"]}, 422)
    made = acme.json("POST", "/v1/incidents", body, 201)
    again = acme.json("POST", "/v1/incidents", body)
    path = f"/v1/incidents/{made['id']}"
    acme.json("POST", f"{path}/ack", {})
    acme.json("POST", f"{path}/comments", {"body": "looking"}, 201)
    acme.json("DELETE", "/v1/services/api", expect=409)
    acme.json("POST", f"{path}/resolve", {}, 400)
    acme.json("POST", f"{path}/resolve", {"note": "rolled back"})
    acme.json("POST", f"{path}/ack", {}, 409)
    shown = acme.json("GET", path)
    types = [entry["type"] for entry in acme.json("GET", f"{path}/timeline")["data"]]
    (recent,) = acme.json("GET", "/v1/services/api")["recent_incidents"]

    assert again["id"] == made["id"] == recent["id"]
    assert (made["related_to"], shown["status"], shown["triggers"]) == (None, "resolved", 2)
    assert types == ["triggered", "triggered", "acknowledged", "comment", "resolved"]
    assert [row["id"] for row in acme.json("GET", "/v1/incidents")["data"]] == [made["id"]]
    assert acme.json("GET", "/v1/incidents?status=open")["data"] == []
    acme.json("GET", "/v1/incidents?severity=sev9", expect=400)
    acme.until(lambda: len(outside.of("/incidents")) == 4)
    heard = [orjson.loads(one.body) for one in outside.of("/incidents")]
    assert {message["type"] for message in heard} == {
        f"incident.{what}" for what in ("created", "acknowledged", "comment", "resolved")
    }
    assert {message["data"]["incident"]["id"] for message in heard} == {made["id"]}
    acme.ask("DELETE", "/v1/services/api", expect=204)
    assert acme.json("GET", path)["services"] == ["api"]


def send(client: TenantClient, value: float) -> None:
    """`up` of an instance, now and for the last minute."""
    now = time.time_ns() // 1_000_000
    samples = [(now - 5000 * back, value) for back in reversed(range(12))]
    body = packed(message_of([({"__name__": "up", "instance": "a"}, samples)]))
    path = "/prometheus/api/v1/write"
    client.ask("POST", path, None, 204, content=body, headers=dict(WRITE_HEADERS))


def test_an_alert_opens_and_ends_one(acme: TenantClient) -> None:
    send(acme, 0.0)
    acme.json("POST", "/v1/services", {"name": "web", "owner": "ada", "tier": "1"}, 201)
    rule = {"name": "Down", "expr": "up == 0", "interval": "1s", "service": "web"}
    acme.json("POST", "/v1/alert-rules", {**rule, "auto_incident": True}, 201)
    (made,) = acme.until(lambda: acme.json("GET", "/v1/incidents?service=web")["data"])
    acme.until(lambda: acme.json("GET", "/v1/alerts?firing=true")["data"][0]["incident_id"])
    (alert,) = acme.json("GET", "/v1/alerts?firing=true")["data"]
    assert (alert["incident_id"], made["alerts"]) == (made["id"], [alert["id"]])
    acme.json("POST", f"/v1/incidents/{made['id']}/ack", {})
    send(acme, 1.0)
    acme.until(lambda: not acme.json("GET", "/v1/incidents?status=open")["data"])
    entries = acme.json("GET", f"/v1/incidents/{made['id']}/timeline")["data"]
    draft = acme.json("GET", f"/v1/incidents/{made['id']}/postmortem")

    assert draft["status"] in ("draft", "draft_incomplete")
    assert [one["id"] for one in draft["alerts"]] == [f"alert:{alert['id']}"]
    assert [entry["type"] for entry in entries] == [
        "triggered",
        "acknowledged",
        "alerts_ended",
        "resolved",
    ]
    assert [entry["actor"]["type"] for entry in entries] == ["system", "user", "system", "system"]


def test_every_promised_endpoint_was_used(acme: TenantClient) -> None:
    assert promised(*OURS) - acme.used == set()
