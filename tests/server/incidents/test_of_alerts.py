"""Alerts of rules with `auto_incident` open incidents, and end them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from novaql.server.clock import SteppedClock, SystemClock, to_ms
from novaql.server.db.tables import Event
from novaql.server.db.unit import Origin, Unit, system_actor
from novaql.server.ids import ulid_text
from novaql.server.incidents.from_alerts import CONSUMERS, firing, over
from novaql.server.incidents.tables import Incident, IncidentAlert
from novaql.server.jobs.outbox import EventEnvelope
from tests.support.peers.receiver import receiving
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertRig]:
    """Over SQLite, and over PostgreSQL."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, egress_allow="127.0.0.0/8") as server,
    ):
        yield AlertRig(server, clock)


@pytest.fixture
def one() -> Iterator[AlertRig]:
    """Over SQLite only, for what the database has no part in."""
    clock = SteppedClock(NOW)
    with local_server(clock=clock, egress_allow="127.0.0.0/8", webhook_http=True) as server:
        yield AlertRig(server, clock)


def auto(rig: AlertRig, **fields: Any) -> dict[str, Any]:
    return rig.rule(auto_incident=True, **fields)


def incidents(rig: AlertRig, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rig.get(f"/v1/incidents{query}")["data"]
    return found


def incident(rig: AlertRig) -> dict[str, Any]:
    (found,) = incidents(rig)
    return found


def timeline(rig: AlertRig, of: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rig.get(f"/v1/incidents/{of['id']}/timeline")["data"]
    return found


def types(rig: AlertRig, of: dict[str, Any]) -> list[str]:
    return [entry["type"] for entry in timeline(rig, of)]


def test_an_incident_ends_after_a_restart_with_an_earlier_clock(tmp_path: Path) -> None:
    clock = SteppedClock(NOW)
    ahead = "evt_" + ulid_text(to_ms(SystemClock().now()) + 60_000 << 80)
    with state_database("sqlite", tmp_path) as database:
        with local_server(clock=clock, database=database) as server:
            rig = AlertRig(server, clock)
            auto(rig)
            rig.now(a=0.0)
            assert incident(rig)["status"] == "triggered"
        with database.write(None) as session:
            before = session.execute(select(IncidentAlert.event_id)).scalar_one()
            session.execute(update(IncidentAlert).values(event_id=ahead))
            session.execute(update(Event).where(Event.id == before).values(id=ahead))
        with local_server(clock=clock, database=database) as server:
            rig = AlertRig(server, clock)
            rig.step(a=1.0)
            assert incident(rig)["status"] == "resolved"


def test_an_alert_opens_an_incident_and_ends_it(rig: AlertRig) -> None:
    words = {"summary": "{{ $labels.instance }} is  down", "description": "look at it"}
    rule = auto(rig, service="api", severity="page", annotations=words)
    rig.now(a=0.0)
    made, alert = incident(rig), rig.alert()

    assert (made["title"], made["description"]) == ("a is down", "look at it")
    assert (made["severity"], made["services"], made["status"]) == ("sev1", ["api"], "triggered")
    assert made["dedup_key"] == f"alert:{rule['id']}:api"
    assert (made["alerts"], made["alert_count"]) == ([alert["id"]], 1)
    assert alert["incident_id"] == made["id"]
    assert made["created_by"]["type"] == "system"
    (entry,) = timeline(rig, made)
    assert (entry["data"]["rule_id"], entry["data"]["count"]) == (rule["id"], 1)
    assert [one["id"] for one in entry["data"]["alerts"]] == [alert["id"]]
    assert entry["data"]["alerts"][0]["labels"]["instance"] == "a"

    for _ in range(3):
        rig.step(a=0.0)
    assert types(rig, made) == ["triggered"]  # it goes on firing, and says it once
    rig.step(a=1.0)
    ended = incident(rig)
    assert (ended["status"], ended["resolution_note"]) == ("resolved", "its last alert has ended")
    assert ended["resolved_by"]["type"] == "system"
    assert ended["resolved_at"] == "2026-04-01T12:01:00Z"
    assert types(rig, ended) == ["triggered", "alerts_ended", "resolved"]
    assert rig.get(f"/v1/alerts/{alert['id']}")["incident_id"] == made["id"]
    entries = rig.get(f"/v1/audit?target={made['id']}")["data"]
    assert [(e["action"], e["actor"]["type"]) for e in entries] == [
        ("incident.resolve", "system"),
        ("incident.create", "system"),
    ]


@pytest.mark.slow
def test_what_comes_again_is_a_related_incident(rig: AlertRig) -> None:
    auto(rig)
    rig.now(a=0.0)
    rig.step(a=1.0)
    rig.step(a=0.0)
    second, first = incidents(rig)

    assert (first["status"], second["status"]) == ("resolved", "triggered")
    assert second["related_to"] == first["id"]
    assert first["alerts"] == second["alerts"] == [rig.alert()["id"]]
    assert rig.alert()["incident_id"] == second["id"]
    rig.step(a=1.0)
    assert [one["status"] for one in incidents(rig)] == ["resolved", "resolved"]


@pytest.mark.slow
def test_alerts_of_a_rule_share_an_incident_that_ends_with_the_last(rig: AlertRig) -> None:
    auto(rig)
    rig.now(a=0.0, b=1.0)
    rig.step(a=0.0, b=0.0)
    rig.step(a=1.0, b=0.0)
    made = incident(rig)
    assert (made["status"], made["alert_count"], made["triggers"]) == ("triggered", 2, 2)
    assert {alert["incident_id"] for alert in rig.alerts()} == {made["id"]}
    rig.step(a=0.0, b=0.0)  # a again, while the incident is open
    assert types(rig, made) == ["triggered", "triggered", "alerts_ended", "triggered"]
    rig.step(a=0.0, b=1.0)
    assert incident(rig)["status"] == "triggered"
    rig.step(a=1.0, b=1.0)

    ended = incident(rig)
    assert (ended["status"], ended["alert_count"], len(ended["alerts"])) == ("resolved", 2, 2)


def test_each_service_has_an_incident_of_its_own(one: AlertRig) -> None:
    auto(one, labels={"service": "{{ $labels.instance }}"})
    one.now(a=0.0, b=0.0)
    found = incidents(one)

    assert sorted(row["services"] for row in found) == [["a"], ["b"]]
    one.step(a=1.0, b=0.0)
    assert [row["services"] for row in incidents(one, "?status=open")] == [["b"]]
    assert [row["services"] for row in incidents(one, "?service=a")] == [["a"]]


def test_without_auto_incident_there_is_none(one: AlertRig) -> None:
    rule = one.rule()
    one.now(a=0.0)
    assert (incidents(one), one.alert()["incident_id"]) == ([], None)
    change = {"version": rule["version"], "auto_incident": True}
    assert one.ask("PATCH", f"/v1/alert-rules/{rule['id']}", change).status_code == 200
    one.step(a=0.0)
    one.step(a=1.0)
    assert incidents(one) == []  # it fired before
    one.step(a=0.0)
    assert incident(one)["status"] == "triggered"


def test_a_pending_alert_opens_none(one: AlertRig) -> None:
    auto(one, **{"for": "1m"})
    one.now(a=0.0)
    one.step(a=0.0)
    assert incidents(one) == []
    one.step(a=1.0)
    assert incidents(one) == []
    for _ in range(5):
        one.step(a=0.0)
    assert incident(one)["alerts"] == [one.alert()["id"]]


@pytest.mark.slow
def test_what_is_muted_when_it_begins_opens_none(one: AlertRig) -> None:
    auto(one)
    matchers = [{"name": "instance", "value": "a"}]
    silence = one.post(
        "/v1/silences", {"matchers": matchers, "duration": "1h", "reason": "a new disk"}
    )
    one.now(a=0.0, b=0.0)
    made = incident(one)
    assert [a["labels"]["instance"] for a in timeline(one, made)[0]["data"]["alerts"]] == ["b"]
    assert one.ask("DELETE", f"/v1/silences/{silence['id']}").status_code == 204
    one.step(a=0.0, b=0.0)
    assert incident(one)["alert_count"] == 1  # it began when it was muted
    one.step(a=0.0, b=1.0)
    assert incident(one)["status"] == "resolved"  # and its going on is nothing to the incident
    one.step(a=1.0, b=1.0)
    one.step(a=0.0, b=1.0)
    assert [row["status"] for row in incidents(one)] == ["triggered", "resolved"]


def test_a_silence_later_changes_nothing(one: AlertRig) -> None:
    auto(one)
    one.now(a=0.0)
    body = {"duration": "1h", "reason": "known"}
    one.post(f"/v1/alerts/{one.alert()['id']}/silence", body)
    one.step(a=0.0)
    assert incident(one)["status"] == "triggered"
    one.step(a=1.0)
    assert incident(one)["status"] == "resolved"


def test_an_inhibited_alert_opens_none(one: AlertRig) -> None:
    inhibit = {
        "source_matchers": ['alertname="Site"'],
        "target_matchers": ['alertname="Down"'],
    }
    route = {"route": {"channels": []}, "inhibit_rules": [inhibit]}
    answer = one.ask("POST", "/v1/alert-routing", route)
    assert answer.status_code == 201, answer.text
    one.rule(name="Site", expr="vector(1)")
    one.now()
    auto(one)
    one.step(a=0.0)

    assert one.states()["a"] == "firing"
    assert incidents(one) == []


def test_a_rule_that_goes_ends_its_incident(rig: AlertRig) -> None:
    rule = auto(rig)
    rig.now(a=0.0)
    assert rig.ask("DELETE", f"/v1/alert-rules/{rule['id']}").status_code == 204
    rig.now()

    assert incident(rig)["status"] == "resolved"


def test_what_goes_back_to_pending_fires_no_longer(one: AlertRig) -> None:
    rule = auto(one)
    one.now(a=0.0)
    one.step(a=0.0)
    change = {"version": rule["version"], "for": "10m"}
    assert one.ask("PATCH", f"/v1/alert-rules/{rule['id']}", change).status_code == 200
    one.step(a=0.0)
    assert one.states() == {"a": "pending"}
    assert incident(one)["status"] == "resolved"
    one.step(a=1.0)
    assert types(one, incident(one)) == ["triggered", "alerts_ended", "resolved"]


@pytest.mark.slow
def test_who_resolves_by_hand_is_not_asked_again(rig: AlertRig) -> None:
    auto(rig)
    rig.now(a=0.0, b=1.0)
    first = incident(rig)
    rig.post(f"/v1/incidents/{first['id']}/resolve", {"note": "known"}, 200)
    rig.step(a=0.0, b=1.0)
    assert incident(rig)["status"] == "resolved"  # it goes on firing
    rig.step(a=0.0, b=0.0)
    second, _ = incidents(rig)
    assert (second["related_to"], second["alert_count"]) == (first["id"], 1)
    rig.step(a=1.0, b=0.0)
    assert types(rig, first) == ["triggered", "resolved", "alerts_ended"]
    assert incidents(rig, "?status=open")[0]["id"] == second["id"]
    rig.step(a=1.0, b=1.0)

    assert [row["resolution_note"] for row in incidents(rig)] == [
        "its last alert has ended",
        "known",
    ]


@pytest.mark.slow
def test_a_storm_is_one_incident(one: AlertRig) -> None:
    auto(one)
    one.now(**{f"i{number}": 0.0 for number in range(700)})
    made = incident(one)

    assert (made["alert_count"], len(made["alerts"]), made["triggers"]) == (700, 100, 1)
    (entry,) = timeline(one, made)
    assert (entry["data"]["count"], len(entry["data"]["alerts"])) == (700, 10)
    page = one.get("/v1/alerts?limit=200")["data"]
    assert {alert["incident_id"] for alert in page} == {made["id"]}
    one.step(**{f"i{number}": 1.0 for number in range(700)})
    assert incident(one)["status"] == "resolved"


@pytest.mark.slow
def test_webhooks_hear_of_it(one: AlertRig) -> None:
    with receiving() as outside:
        one.post("/v1/webhooks", {"url": f"{outside.url}/x", "events": ["incident.*"]})
        auto(one)
        one.now(a=0.0)
        one.step(a=1.0)
        heard = [orjson.loads(message.body) for message in outside.of("/x")]
    made = incident(one)
    told = {message["type"]: message["data"] for message in heard}

    assert sorted(message["type"] for message in heard) == [
        "incident.alerts_added",
        "incident.created",
        "incident.resolved",
    ]
    assert told["incident.alerts_added"]["incident_id"] == made["id"]
    assert told["incident.resolved"]["incident"]["alerts"] == made["alerts"]


def events(rig: AlertRig) -> list[EventEnvelope]:
    """What alerts told incidents, in order, by a rig whose jobs have not told of it yet."""
    with rig.server.context.database.read(None) as session:
        wanted = select(Event).where(Event.type.like("alert.incident%")).order_by(Event.id)
        found = session.execute(wanted).scalars().all()
    return [EventEnvelope(e.id, e.type, e.at, e.data, e.request_id) for e in found]


def hear(rig: AlertRig, event: EventEnvelope) -> None:
    """As the relay would."""
    context = rig.server.context
    tenant = context.scoped(context.access.default_principal)
    with tenant.unit(system_actor("test"), Origin("test"), writes=True) as unit:
        (firing if event.type.endswith("firing") else over)(unit, event)


@pytest.mark.parametrize("order", ["0101", "10", "100", "110", "1010"])
def test_events_in_any_order_and_again_come_to_the_same(
    rig: AlertRig, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """An end that is heard before its beginning; and what is heard twice, though it is not."""
    for consumer in CONSUMERS:
        monkeypatch.setattr(type(consumer), "wants", lambda *_: False)
    auto(rig)
    rig.now(a=0.0)
    rig.step(a=1.0)
    both = events(rig)
    assert [event.type for event in both] == ["alert.incident_firing", "alert.incident_over"]
    for number in order:
        hear(rig, both[int(number)])

    ended = incident(rig)
    assert (ended["status"], ended["triggers"], ended["alert_count"]) == ("resolved", 1, 1)
    assert types(rig, ended) == ["triggered", "alerts_ended", "resolved"]


def test_a_relay_that_is_killed_half_way_does_it_once(
    rig: AlertRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the consumer did is undone with its job, which runs again."""
    dying = [True]
    publish = Unit.publish

    def killed(unit: Unit, type_: str, data: Any) -> str:
        made = publish(unit, type_, data)
        if type_ == "incident.alerts_added" and dying:
            unit.session.flush()
            dying.clear()
            raise RuntimeError("killed")
        return made

    monkeypatch.setattr(Unit, "publish", killed)
    auto(rig)
    rig.now(a=0.0)
    assert not dying
    with rig.server.context.database.read(None) as session:
        assert session.execute(select(Incident)).all() == []
        assert session.execute(select(IncidentAlert)).all() == []
    rig.step(a=0.0)

    made = incident(rig)
    assert (made["triggers"], made["alerts"]) == (1, [rig.alert()["id"]])
    assert types(rig, made) == ["triggered"]
    assert rig.alert()["incident_id"] == made["id"]
