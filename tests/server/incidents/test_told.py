"""What is told of incidents: the audit log, and webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from novaql.server.clock import SteppedClock
from tests.server.incidents.conftest import NOW, Desk
from tests.support.peers.receiver import Receiver, receiving
from tests.support.servers.http_server import local_server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_every_write_is_in_the_audit_log(desk: Desk) -> None:
    made = desk.open(dedup_key="k")
    path = f"/incidents/{made['id']}"
    desk.open(200, dedup_key="k")
    desk.post(f"{path}/ack")
    desk.post(f"{path}/ack")  # changes nothing, and was asked for
    desk.post(f"{path}/comments", {"body": "looking"}, 201)
    desk.post(f"{path}/resolve", {"note": "done"})
    entries = desk.get(f"/audit?target={made['id']}")["data"][::-1]

    assert [entry["action"] for entry in entries] == [
        "incident.create",
        "incident.trigger",
        "incident.ack",
        "incident.ack",
        "incident.comment",
        "incident.resolve",
    ]
    assert {entry["target"]["type"] for entry in entries} == {"incident"}
    diffs = [{part["path"] for part in entry["diff"]} for entry in entries]
    assert diffs[1] == {"/triggers", "/version"}
    assert {"/status", "/acknowledged_by", "/acknowledged_at"} <= diffs[2]
    assert diffs[3] == set()
    assert {"/status", "/resolution_note", "/resolved_by"} <= diffs[5]


def test_webhooks_hear_of_each_change_once(receiver: Receiver) -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, egress_allow="127.0.0.0/8", webhook_http=True) as server:
        desk = Desk(server, clock)
        desk.service("api")
        desk.post("/webhooks", {"url": f"{receiver.url}/x", "events": ["incident.*"]}, 201)
        made = desk.open(dedup_key="k")
        desk.open(200, dedup_key="k")
        path = f"/incidents/{made['id']}"
        desk.post(f"{path}/ack")
        desk.post(f"{path}/ack")
        desk.post(f"{path}/comments", {"body": "looking"}, 201)
        desk.post(f"{path}/resolve", {"note": "done"})
        desk.refused("POST", f"{path}/resolve", {"note": "done"})
        server.run_jobs()
        heard = [orjson.loads(one.body) for one in receiver.of("/x")]

    told = sorted(
        ((m["type"], m["data"]["incident"]["status"]) for m in heard), key=lambda one: one[0]
    )
    assert told == [
        ("incident.acknowledged", "acknowledged"),
        ("incident.comment", "acknowledged"),
        ("incident.created", "triggered"),
        ("incident.resolved", "resolved"),
    ]
    (comment,) = [m["data"]["comment"] for m in heard if m["type"] == "incident.comment"]
    assert comment["body"] == "looking"
    assert {m["data"]["incident"]["id"] for m in heard} == {made["id"]}
