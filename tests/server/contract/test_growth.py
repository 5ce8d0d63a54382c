"""What a tenant's requests make grow is bounded: by a limit, or by how long it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from novaql.server.auth.bootstrap import set_limits
from novaql.server.clock import SteppedClock
from novaql.server.db.rows import Base
from novaql.server.db.tables import IdempotencyKey, Token, User
from novaql.server.history import RETENTIONS
from novaql.server.ids import new_id
from novaql.server.incidents.tables import Incident
from novaql.server.jobs.housekeeping import forget
from novaql.server.scim.tables import ScimMember
from novaql.server.webhooks.tables import WebhookAttempt, WebhookDelivery
from tests.support.peers.receiver import receiving
from tests.support.repository.files import ROOT
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database

PAGE = ROOT / "docs" / "design" / "what-grows.md"


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertRig]:
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(
            clock=clock, database=database, egress_allow="127.0.0.0/8", webhook_http=True
        ) as server,
    ):
        yield AlertRig(server, clock)


def limit(rig: AlertRig, **limits: float) -> None:
    context = rig.server.context
    set_limits(
        context.database, context.access.default_principal.tenant_id, limits, context.settings
    )


def rows(rig: AlertRig, table: type[Any]) -> int:
    with rig.server.context.database.read(None) as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_every_table_is_listed_with_its_bound() -> None:
    listed = re.findall(r"^\| `([a-z_]+)` \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert len({name for name, _, _ in listed}) == len(listed)
    assert {name for name, _, _ in listed} == set(Base.metadata.tables)
    assert all(added.strip() and bound.strip() for _, added, bound in listed)


@pytest.mark.slow
def test_an_alert_without_an_incident_is_told_and_says_why(rig: AlertRig) -> None:
    limit(rig, max_open_incidents=1)
    rig.post("/v1/notification-channels", {"name": "ops", "type": "sink"})
    rig.post("/v1/incidents", {"title": "first", "severity": "sev3", "services": []})
    rule = rig.rule(auto_incident=True, channels=["ops"])
    rig.now(a=0.0)
    rig.step(a=0.0, seconds=60)

    assert [one["title"] for one in rig.get("/v1/incidents")["data"]] == ["first"]
    told = rig.get("/v1/notifications")["data"]
    assert [(one["channel"], one["status"]) for one in told] == [("ops", "sent")]
    alert = rig.alert()
    assert (alert["state"], alert["incident_id"]) == ("firing", None)
    notes = [one["note"] for one in alert["history"] if one["type"] == "no_incident"]
    assert len(notes) == 1
    assert "max_open_incidents = 1" in notes[0]
    denied = rig.get("/v1/audit?action=incident.create&outcome=denied")["data"]
    assert [one["target"]["id"] for one in denied] == [rule["id"]]

    (first,) = rig.get("/v1/incidents")["data"]
    rig.post(f"/v1/incidents/{first['id']}/resolve", {"note": "done"}, 200)
    rig.step(a=1.0)
    rig.step(a=0.0)
    opened = rig.get("/v1/incidents?status=open")["data"]
    assert [one["dedup_key"] for one in opened] == [f"alert:{rule['id']}"]


@pytest.mark.slow
def test_a_message_that_may_not_wait_is_a_dead_letter_that_can_be_replayed(rig: AlertRig) -> None:
    limit(rig, max_pending_deliveries=2)
    with receiving() as receiver:
        receiver.say(500)
        body = {"url": receiver.url, "events": ["audit.user.create"]}
        webhook = rig.post("/v1/webhooks", body)
        for number in range(4):
            rig.post("/v1/users", {"email": f"u{number}@example.com", "role": "read_only"})
        rig.server.run_jobs()
        log = f"/v1/webhooks/{webhook['id']}/deliveries"
        found = rig.get(log)["data"]
        dead = [one for one in found if one["status"] == "dead"]
        assert sorted(one["status"] for one in found) == ["dead", "dead", "pending", "pending"]
        assert [one["reason"] for one in dead] == ["limit_reached"] * 2
        refused = rig.ask("POST", f"{log}/{dead[0]['id']}/replay")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "limit_reached")
        receiver.say(200)
        rig.clock.step(timedelta(seconds=10))
        rig.server.run_jobs()
        assert rig.ask("POST", f"{log}/{dead[0]['id']}/replay").status_code == 202
        rig.server.run_jobs()
        assert rig.get(f"{log}/{dead[0]['id']}")["status"] == "delivered"


@pytest.mark.slow
def test_what_cannot_wait_is_told_at_the_next_flush(rig: AlertRig) -> None:
    with receiving() as receiver:
        receiver.say(500)
        body = {"name": "far", "type": "webhook", "webhook": {"url": receiver.url}}
        rig.post("/v1/notification-channels", body)
        rig.post("/v1/notification-channels", {"name": "ops", "type": "sink"})
        far = rig.get("/v1/notification-channels")["data"][0]["id"]
        assert rig.ask("POST", f"/v1/notification-channels/{far}/test").status_code == 202
        limit(rig, max_pending_deliveries=1)
        again = rig.ask("POST", f"/v1/notification-channels/{far}/test")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "limit_reached")
        rig.rule(channels=["ops"])
        rig.now(a=0.0)
        rig.step(a=0.0, seconds=60)
        rig.step(a=1.0, seconds=15)
        assert [n["channel"] for n in rig.get("/v1/notifications")["data"]] == ["far"]
        limit(rig, max_pending_deliveries=100)
        rig.step(a=0.0, seconds=300)
        told = [n for n in rig.get("/v1/notifications")["data"] if n["channel"] == "ops"]
        assert [n["firing"] for n in told] == [1]


@pytest.mark.slow
def test_deactivated_users_have_a_limit_and_are_always_deactivated(rig: AlertRig) -> None:
    limit(rig, max_former_users=2)
    for number in range(2):
        made = rig.post("/v1/users", {"email": f"u{number}@example.com", "role": "read_only"})
        assert rig.ask("DELETE", f"/v1/users/{made['id']}").status_code == 204
    more = {"email": "more@example.com", "role": "read_only"}
    refused = rig.ask("POST", "/v1/users", more)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "limit_reached")
    assert "max_former_users = 2" in refused.text
    user = "urn:ietf:params:scim:schemas:core:2.0:User"
    by_scim = rig.ask("POST", "/v1/scim/v2/Users", {"schemas": [user], "userName": "s"})
    assert by_scim.status_code == 409
    former = rig.get("/v1/users?status=deactivated")["data"][0]
    back = rig.ask("POST", f"/v1/users/{former['id']}", {"version": 2, "status": "active"})
    assert back.status_code == 200, back.text
    assert rig.ask("POST", "/v1/users", more).status_code == 201
    assert rig.ask("DELETE", f"/v1/users/{former['id']}").status_code == 204


def test_members_of_groups_have_a_limit(rig: AlertRig) -> None:
    limit(rig, max_group_members=2)
    ids = [
        rig.post("/v1/users", {"email": f"u{n}@example.com", "role": "read_only"})["id"]
        for n in range(3)
    ]
    schema = "urn:ietf:params:scim:schemas:core:2.0:Group"

    def group(*members: str) -> int:
        named = [{"value": one} for one in members]
        body = {"schemas": [schema], "displayName": "g", "members": named}
        return rig.ask("POST", "/v1/scim/v2/Groups", body).status_code

    assert [group(*ids), group(*ids[:2]), group(ids[0])] == [409, 201, 409]
    assert rows(rig, ScimMember) == 2


def test_keys_have_a_limit_and_nothing_is_done_beyond_it(rig: AlertRig) -> None:
    limit(rig, max_idempotency_keys=1)

    def make(key: str) -> int:
        headers = {**rig.server.bearer(), "Idempotency-Key": key}
        body = {"name": key, "type": "sink"}
        return rig.server.client.post(
            "/v1/notification-channels", json=body, headers=headers
        ).status_code

    assert [make("a"), make("b"), make("a")] == [201, 409, 201]
    assert [one["name"] for one in rig.get("/v1/notification-channels")["data"]] == ["a"]
    rig.clock.step(timedelta(days=1))
    forget(rig.server.context, RETENTIONS)
    assert rows(rig, IdempotencyKey) == 0
    assert make("b") == 201


def test_a_timeline_has_so_many_entries_and_states_always(rig: AlertRig) -> None:
    limit(rig, max_incident_entries=2)
    opened = {"title": "t", "severity": "sev3", "services": [], "dedup_key": "k"}
    made = rig.post("/v1/incidents", opened)
    path = f"/v1/incidents/{made['id']}"
    first = rig.ask("POST", f"{path}/comments", {"body": "one"})
    second = rig.ask("POST", f"{path}/comments", {"body": "two"})
    again = rig.ask("POST", "/v1/incidents", opened)
    rig.post(f"{path}/ack", None, 200)
    rig.post(f"{path}/resolve", {"note": "done"}, 200)
    types = [one["type"] for one in rig.get(f"{path}/timeline")["data"]]

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["error"]["code"] == "limit_reached"
    assert (again.status_code, again.json()["triggers"]) == (200, 2)
    assert types == ["triggered", "comment", "acknowledged", "resolved"]


def test_what_has_ended_is_forgotten_after_its_time(rig: AlertRig) -> None:
    for days in (1, 40):
        token = rig.post("/v1/tokens", {"name": "t", "role": "read_only"})
        assert rig.ask("DELETE", f"/v1/tokens/{token['id']}").status_code == 204
        matchers = [{"name": "n", "value": str(days)}]
        rig.post("/v1/silences", {"matchers": matchers, "duration": "1h", "reason": "r"})
        rig.clock.step(timedelta(days=days))
    kept = rows(rig, Token)
    forget(rig.server.context, RETENTIONS)
    assert kept - rows(rig, Token) == 2
    assert rig.get("/v1/silences?state=expired")["data"] == []


def test_of_what_has_ended_the_newest_are_kept_whole(rig: AlertRig) -> None:
    limit(rig, max_history=3)
    ids = []
    for number in range(5):
        made = rig.post("/v1/incidents", {"title": str(number), "severity": "sev3", "services": []})
        rig.clock.step(timedelta(seconds=1))
        rig.post(f"/v1/incidents/{made['id']}/resolve", {"note": "done"}, 200)
        ids.append(made["id"])
    still = rig.post("/v1/incidents", {"title": "open", "severity": "sev3", "services": []})
    forget(rig.server.context, RETENTIONS)
    left = {one["id"] for one in rig.get("/v1/incidents")["data"]}
    assert left == {*ids[2:], still["id"]}
    assert len(rig.get(f"/v1/incidents/{ids[2]}/timeline")["data"]) == 2


@pytest.mark.slow
def test_many_rows_are_deleted_with_their_parts(rig: AlertRig) -> None:
    webhook = rig.post("/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]})["id"]
    context = rig.server.context
    ids = [new_id("dlv") for _ in range(1200)]
    with context.database.write(context.access.default_principal.tenant_id) as session:
        session.add_all(
            WebhookDelivery(
                id=one,
                created_at=NOW,
                updated_at=NOW,
                version=1,
                webhook_id=webhook,
                event_id="evt_1",
                event_type="webhook.test",
                body="{}",
                status="delivered" if number else "pending",
                since=NOW,
            )
            for number, one in enumerate(ids)
        )
        session.flush()
        session.add_all(
            WebhookAttempt(
                id=new_id("att"), delivery_id=one, number=1, at=NOW, latency_ms=1.0, excerpt=""
            )
            for one in ids
        )
    rig.clock.step(timedelta(days=31))
    forget(context, RETENTIONS)
    assert (rows(rig, WebhookDelivery), rows(rig, WebhookAttempt)) == (1, 1)
    assert rows(rig, User) == 1
    assert rows(rig, Incident) == 0
