"""Alerts, dashboards and webhooks of the first description, over HTTP, against a real process.

As a second tenant, in real time, on both databases; each endpoint does its work here, and what it
did is looked at from another side.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook as Reference

from tests.support.contract.seed import promised
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.http_server import WRITE_HEADERS
from tests.support.servers.state_databases import KINDS
from tests.support.servers.tenant_client import TenantClient, second_tenant

pytestmark = pytest.mark.slow

OURS = ("/alerts", "/alert-rules", "/dashboards", "/panels", "/novaql", "/webhooks")
SETTINGS = {
    "egress_allow": "127.0.0.0/8",
    "webhook_http": "true",
    "webhook_retry_delays": "1s,1s",
    "manual_notify_interval_s": "0",
}


@pytest.fixture(scope="module", params=KINDS)
def acme(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TenantClient]:
    data = tmp_path_factory.mktemp("watching") / "data"
    with second_tenant(request.param, data, **SETTINGS) as (here, first):
        send(first, "neighbour", 0.0)
        yield here


@pytest.fixture(scope="module")
def outside() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def send(client: TenantClient, instance: str, value: float) -> None:
    """`up` of an instance, now and for the last minute."""
    now = time.time_ns() // 1_000_000
    samples = [(now - 5000 * back, value) for back in reversed(range(12))]
    body = packed(message_of([({"__name__": "up", "instance": instance}, samples)]))
    path = "/prometheus/api/v1/write"
    client.ask("POST", path, None, 204, content=body, headers=dict(WRITE_HEADERS))


def told(outside: Receiver) -> list[Any]:
    """What the alerts' channel heard: status and instance of each alert of each message."""
    bodies = [orjson.loads(one.body) for one in outside.of("/alerts")]
    return [[(a["status"], a["labels"]["instance"]) for a in body["alerts"]] for body in bodies]


def test_alerts_are_silenced_let_go_and_told_by_hand(acme: TenantClient, outside: Receiver) -> None:
    outside.heard.clear()
    events = acme.json(
        "POST", "/v1/webhooks", {"url": f"{outside.url}/events", "events": ["alert.*"]}, 201
    )
    channel = {"name": "hook", "type": "webhook", "webhook": {"url": f"{outside.url}/alerts"}}
    acme.json("POST", "/v1/notification-channels", channel, 201)
    route = {"channels": ["hook"], "group_wait": "0s", "group_interval": "1s"}
    acme.json("POST", "/v1/alert-routing", {"route": route}, 201)
    send(acme, "a", 0.0)
    acme.json("POST", "/v1/services", {"name": "api", "owner": "ada", "tier": "1"}, 201)
    rule = acme.json(
        "POST",
        "/v1/alert-rules",
        {"name": "Down", "expr": "up == 0", "for": "1s", "interval": "1s", "service": "api"},
        201,
    )
    assert [row["thresholds"] for row in acme.json("GET", "/v1/alert-rules")["data"]] == [
        [{"op": "==", "value": 0.0}]
    ]

    (alert,) = acme.until(lambda: acme.json("GET", "/v1/alerts?firing=true&service=api")["data"])
    assert (alert["rule_id"], alert["labels"]["instance"]) == (rule["id"], "a")
    acme.until(lambda: told(outside))
    assert told(outside) == [[("firing", "a")]]

    path = f"/v1/alerts/{alert['id']}"
    body = {"duration": "1h", "reason": "a new disk"}
    silence = acme.json("POST", f"{path}/silence", body, 201)
    again = acme.json("POST", f"{path}/silence", {"duration": "2h", "reason": "two disks"})
    shown = acme.json("GET", path)
    assert silence["id"] == again["id"]
    assert again["revision"] == silence["revision"] + 1
    assert (shown["state"], shown["silenced"], shown["suppressed_by"]) == (
        *("firing", True),
        [silence["id"]],
    )
    refused = acme.json("POST", f"{path}/notify", expect=409)
    assert refused["error"]["code"] == "alert_suppressed"
    send(acme, "b", 0.0)  # another alert of the group: told alone, for the first is silenced
    acme.until(lambda: len(told(outside)) > 1)
    assert told(outside)[1:] == [[("firing", "b")]]

    acme.ask("DELETE", f"{path}/silence", expect=204)
    acme.ask("DELETE", f"{path}/silence", expect=404)
    acme.until(lambda: len(told(outside)) > 2)
    assert sorted(told(outside)[2]) == [("firing", "a"), ("firing", "b")]

    before = len(told(outside))
    (sent,) = acme.json("POST", f"{path}/notify", expect=202)["notifications"]
    assert sent["channel"] == "hook"
    acme.until(lambda: len(told(outside)) > before)
    assert told(outside)[-1] == [("firing", "a")]
    log = acme.json("GET", f"/v1/notifications?alert_id={alert['id']}")["data"]
    assert [(row["id"], row["why"]) for row in log] == [(sent["id"], "by_hand")]

    send(acme, "a", 1.0)
    send(acme, "b", 1.0)
    acme.until(lambda: not acme.json("GET", "/v1/alerts?firing=true")["data"])
    history = [entry["type"] for entry in acme.json("GET", path)["history"]]
    assert history == [
        *("resolved", "notified", "unsilenced", "silenced", "silenced", "firing", "pending"),
    ]
    kinds = {"alert.firing", "alert.silenced", "alert.unsilenced", "alert.resolved"}

    def announced() -> set[str]:
        verify = Reference(events["secret"]).verify
        return {verify(one.body, dict(one.headers))["type"] for one in outside.of("/events")}

    acme.until(lambda: kinds <= announced())


def test_queries_dashboards_and_panels(acme: TenantClient) -> None:
    send(acme, "c", 1.0)
    now = int(time.time())
    found = acme.json("POST", "/v1/novaql", {"query": 'up{instance="c"}', "time": now})
    assert [row["value"][1] for row in found["result"]] == [1]
    every = acme.json("POST", "/v1/novaql", {"query": "count by (instance) (up)", "time": now})
    assert "neighbour" not in str(every)

    panel = {
        "title": "Up",
        "type": "timeseries",
        "queries": [{"expr": 'up{instance=~"$instance"}', "legend": "{{instance}}"}],
        "grid": {"x": 0, "y": 0, "w": 12, "h": 8},
    }
    variable = {"name": "instance", "type": "query", "query": "label_values(up, instance)"}
    body = {"title": "Fleet", "variables": [variable], "panels": [panel]}
    made = acme.json("POST", "/v1/dashboards", body, 201)
    saved = acme.json(
        "POST", "/v1/dashboards", {**body, "id": made["id"], "version": 1, "title": "The fleet"}
    )
    assert (saved["id"], saved["version"]) == (made["id"], 2)
    assert [row["title"] for row in acme.json("GET", "/v1/dashboards")["data"]] == ["The fleet"]
    shown = acme.json("GET", f"/v1/dashboards/{made['id']}")
    assert shown == saved

    path = f"/v1/panels/{shown['panels'][0]['id']}/data"
    window = f"?start={now - 30}&end={now}&step=10&var-instance=c"
    data = acme.json("GET", f"{path}{window}")
    assert data["queries"][0]["legends"] == ["c"]
    text = acme.ask("GET", f"{path}{window}&format=csv").text
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert {row[-1] for row in rows[1:]} == {"1"}
    acme.json("GET", f"{path}?start={now}&end={now - 30}", expect=400)


def test_webhooks(acme: TenantClient, outside: Receiver) -> None:
    body = {"url": f"{outside.url}/hooks", "events": ["audit.token.create"]}
    made = acme.json("POST", "/v1/webhooks", body, 201)
    path = f"/v1/webhooks/{made['id']}"
    acme.json("POST", "/v1/tokens", {"name": "ci", "role": "read_only"}, 201)
    (heard,) = acme.until(lambda: outside.of("/hooks"))
    assert Reference(made["secret"]).verify(heard.body, dict(heard.headers))
    (listed,) = [row for row in acme.json("GET", "/v1/webhooks")["data"] if row["id"] == made["id"]]
    assert "secret" not in listed
    rotated = acme.json("POST", f"{path}/rotate-secret")
    assert rotated["previous_valid_until"]
    tested = acme.json("POST", f"{path}/test")
    assert (tested["delivered"], tested["status_code"]) == (True, 200)
    last = outside.of("/hooks")[-1]
    for secret in (made["secret"], rotated["secret"]):
        event = Reference(secret).verify(last.body, dict(last.headers))
        assert event["type"] == "webhook.test"
    acme.ask("DELETE", path, expect=204)
    acme.ask("DELETE", path, expect=404)


def test_every_promised_endpoint_was_used(acme: TenantClient) -> None:
    assert promised(*OURS) - acme.used == set()
