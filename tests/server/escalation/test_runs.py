"""Escalations, with a clock that only the tests move."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.db.tables import Event, Job
from tests.server.escalation.conftest import Watch, step


def event_types(watch: Watch) -> list[str]:
    with watch.server.context.database.read(None) as session:
        return list(session.execute(select(Event.type).order_by(Event.id)).scalars())


def run_of(watch: Watch, incident: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = watch.get(f"/escalations?incident={incident}")["data"]
    assert watch.get(f"/escalations/{found['id']}") == found
    return found


@pytest.mark.slow
def test_a_whole_escalation(watch: Watch) -> None:
    """Two steps, a repeat, an acknowledgement that expires, an edit meanwhile, and the end."""
    ada, bob = watch.target("ada"), watch.target("bob")
    policy = watch.policy(
        step(ada), step(bob, wait="10m"), repeat=1, ack_timeout="30m", name="whole"
    )
    incident = watch.open(policy)
    assert watch.paged(incident) == ["0.0 ada"]
    assert run_of(watch, incident)["next_at"] == "2026-04-01T12:05:00Z"

    edit = {"id": policy["id"], "version": 1, "name": "other", "ack_timeout": None}
    watch.policy(step(watch.target("eve"), wait="1m"), status=200, **edit)
    watch.step(minutes=4, seconds=59)
    assert watch.paged(incident) == ["0.0 ada"]
    watch.step(seconds=1)
    assert watch.paged(incident) == ["0.0 ada", "0.1 bob"]
    assert watch.ask("DELETE", f"/escalation-policies/{policy['id']}").status_code == 204
    watch.step(minutes=10)
    assert watch.paged(incident) == ["0.0 ada", "0.1 bob", "1.0 ada"]

    watch.ack(incident, "ada")
    watch.server.run_jobs()
    shown = run_of(watch, incident)
    assert (shown["state"], shown["next_at"]) == ("acknowledged", None)
    assert shown["ack_expires_at"] == "2026-04-01T12:45:00Z"
    watch.step(minutes=29)
    assert len(watch.pages(incident)) == 3
    watch.step(minutes=1)
    assert watch.paged(incident) == ["0.0 ada", "0.1 bob", "1.0 ada", "2.0 ada"]
    again = watch.get(f"/incidents/{incident}")
    assert (again["status"], again["acknowledged_by"]) == ("triggered", [])
    for _ in range(3):
        watch.step(minutes=10)
    assert watch.paged(incident)[3:] == ["2.0 ada", "2.1 bob", "3.0 ada", "3.1 bob"]
    assert run_of(watch, incident)["state"] == "running"
    watch.step(minutes=10)
    assert run_of(watch, incident)["state"] == "exhausted"
    watch.step(hours=5)
    assert len(watch.pages(incident)) == 7
    assert watch.get(f"/incidents/{incident}")["flags"] == ["escalation_exhausted"]

    watch.ack(incident, "ada")  # after the end of all repeats, and after an expiry
    watch.server.run_jobs()
    watch.step(minutes=30)
    assert watch.paged(incident)[7:] == ["4.0 ada"]
    watch.post(f"/incidents/{incident}/resolve", {"note": "done"}, 200)
    watch.server.run_jobs()
    watch.step(hours=5)
    assert len(watch.pages(incident)) == 8
    assert run_of(watch, incident)["state"] == "ended"
    assert watch.types(incident) == [
        *("triggered", "paged", "paged", "paged", "acknowledged", "ack_expired"),
        *("paged", "paged", "paged", "paged", "escalation_exhausted", "acknowledged"),
        *("ack_expired", "paged", "resolved"),
    ]
    assert {"incident.escalated", "page.sent", "incident.ack_expired"} <= set(event_types(watch))
    assert event_types(watch).count("incident.escalation_exhausted") == 1
    assert {one["status"] for one in watch.pages(incident)} == {"sent"}
    with watch.server.context.database.read(None) as session:
        left = select(Job.kind).where(Job.kind.startswith("escalation."))
        assert list(session.execute(left).scalars()) == []


def test_after_the_answer_to_an_acknowledgement_no_page_is_later(watch: Watch) -> None:
    """Even if the step is due at that moment, and the event of the acknowledgement still waits."""
    incident = watch.open(watch.policy(step(watch.target("ada")), step(watch.target("bob"))))
    watch.clock.step(timedelta(minutes=5))
    at = watch.ack(incident)["acknowledged_at"]
    runner: Any = watch.server.runner
    runner.run_due()
    watch.server.run_jobs()
    watch.step(hours=1)
    assert [one["created_at"] for one in watch.pages(incident)] == ["2026-04-01T12:00:00Z"]
    assert at == "2026-04-01T12:05:00Z"


@pytest.mark.slow
def test_a_page_that_waits_for_its_delivery_is_cancelled(watch: Watch) -> None:
    incident = watch.open(watch.policy(step(watch.target("ada"))))
    watch.user("fay", method=None)
    late = watch.method("fay", "webhook")
    rules = f"/users/{watch.users['fay']}/notification-rules"
    watch.post(rules, {"contact_method_id": late, "delay": "3m"})
    watch.post(rules, {"contact_method_id": watch.method("fay", "sink")})
    incident = watch.open(watch.policy(step(watch.target("fay"))))
    other = watch.open(watch.policy(step(watch.target("fay"))))
    assert [one["status"] for one in watch.pages(incident)] == ["sent", "pending"]
    watch.clock.step(timedelta(minutes=3))
    watch.ack(incident)
    runner: Any = watch.server.runner
    runner.run_due()  # before the relay

    (late_page,) = [one for one in watch.pages(incident) if one["delay"] == "3m"]
    assert (late_page["status"], late_page["reason"]) == ("cancelled", "acknowledged")
    assert late_page["attempts"] == 0
    heard = [one.headers["webhook-id"] for one in watch.receiver.of("/fay")]
    assert heard == [one["id"] for one in watch.pages(other) if one["delay"] == "3m"]


def test_a_trigger_of_an_open_incident_pages_no_user_again(watch: Watch) -> None:
    policy = watch.policy(step(watch.target("ada")))
    incident = watch.open(policy, dedup_key="k")
    assert watch.open(policy, 200, dedup_key="k") == incident
    assert watch.paged(incident) == ["0.0 ada"]


def test_a_gap_starts_the_next_step_at_once(watch: Watch) -> None:
    rota = watch.schedule("ada", end="2026-04-01T11:00:00Z")
    incident = watch.open(watch.policy(step(rota), step(watch.target("bob"))))
    assert watch.paged(incident) == ["0.1 bob"]
    assert watch.types(incident) == ["triggered", "schedule_gap", "paged"]
    gap = watch.timeline(incident)[1]["data"]
    assert (gap["message"], gap["gap"], gap["step"]) == ("no user is on call", "ended", 0)
    assert gap["schedule"]["id"] == rota["id"]
    assert watch.get(f"/incidents/{incident}")["flags"] == ["schedule_gap"]
    assert "incident.schedule_gap" in event_types(watch)


def test_gaps_alone_wait_and_repeat(watch: Watch) -> None:
    """A user comes on duty between the cycles."""
    rota = watch.schedule("ada", start="2026-04-01T12:04:00Z")
    incident = watch.open(watch.policy(step(rota), repeat=1))
    assert watch.pages(incident) == []
    watch.step(minutes=5)
    assert watch.paged(incident) == ["1.0 ada"]


def test_the_schedule_is_resolved_when_the_step_is_due(watch: Watch) -> None:
    rota = watch.schedule("ada")
    incident = watch.open(watch.policy(step(watch.target("eve")), step(rota)))
    span = {"start": "2026-04-01T12:01:00Z", "end": "2026-04-01T13:00:00Z"}
    body = {"schedule_id": rota["id"], "user_id": watch.users["bob"], **span}
    watch.post("/oncall/overrides", body)
    watch.step(minutes=5)
    assert watch.paged(incident) == ["0.0 eve", "0.1 bob"]
    assert watch.pages(incident)[1]["schedule_id"] == rota["id"]


@pytest.mark.slow
def test_round_robin_goes_on_with_the_next_incident(watch: Watch) -> None:
    targets = [watch.target(name) for name in ("ada", "bob", "eve")]
    policy = watch.policy(step(*targets, mode="round_robin"), repeat=1)
    first, second = watch.open(policy), watch.open(policy)
    watch.step(minutes=5)
    assert sorted(watch.paged(first) + watch.paged(second)) == [
        *("0.0 ada", "0.0 bob"),
        *("1.0 ada", "1.0 eve"),
    ]
    watch.ask("DELETE", f"/users/{watch.users['bob']}")
    third = watch.open(policy)
    assert watch.paged(third) == ["0.0 eve"]
    assert watch.types(third) == ["triggered", "page_skipped", "paged"]


@pytest.mark.slow
def test_several_have_to_acknowledge(watch: Watch) -> None:
    ada, bob, eve = (watch.target(name) for name in ("ada", "bob", "eve"))
    policy = watch.policy(step(ada, bob, mode="multi_ack"), step(eve), repeat=1, ack_timeout="30m")
    incident = watch.open(policy)
    assert watch.ack(incident, "ada")["status"] == "acknowledged"
    watch.server.run_jobs()
    watch.ack(incident, "eve")  # was not paged
    watch.server.run_jobs()
    shown = run_of(watch, incident)
    assert (shown["state"], shown["needed"]) == ("running", 2)
    assert set(shown["required"]) == {ada["id"], bob["id"]}
    watch.step(minutes=5)
    watch.step(minutes=5)
    assert watch.paged(incident) == ["0.0 ada", "0.0 bob", "1.0 bob"]
    watch.ack(incident, "bob")
    watch.server.run_jobs()
    assert run_of(watch, incident)["state"] == "acknowledged"
    watch.step(minutes=30)
    assert watch.paged(incident)[3:] == ["2.0 ada", "2.0 bob"]


def test_as_many_as_the_step_says_have_to_acknowledge(watch: Watch) -> None:
    targets = [watch.target(name) for name in ("ada", "bob", "eve")]
    policy = watch.policy(step(*targets, mode="multi_ack", acknowledgers=2))
    incident = watch.open(policy)
    for who, state in (("ada", "running"), ("ada", "running"), ("eve", "acknowledged")):
        watch.ack(incident, who)
        watch.server.run_jobs()
        assert run_of(watch, incident)["state"] == state


def test_a_partly_acknowledged_incident_expires_after_the_last_cycle(watch: Watch) -> None:
    targets = [watch.target("ada"), watch.target("bob")]
    incident = watch.open(watch.policy(step(*targets, mode="multi_ack"), ack_timeout="1h"))
    watch.ack(incident, "ada")
    watch.step(minutes=5)
    assert watch.types(incident)[-1] == "escalation_exhausted"
    watch.step(hours=1)
    assert watch.paged(incident)[2:] == ["1.0 ada", "1.0 bob"]


def test_a_deactivated_user_is_skipped_and_reported(watch: Watch) -> None:
    policy = watch.policy(step(watch.target("ada")), step(watch.target("bob")))
    watch.ask("DELETE", f"/users/{watch.users['ada']}")
    incident = watch.open(policy)
    assert watch.paged(incident) == ["0.1 bob"]
    (skipped,) = [one for one in watch.timeline(incident) if one["type"] == "page_skipped"]
    assert skipped["data"]["reason"] == "user_deactivated"
    assert skipped["data"]["target"] == {**watch.target("ada"), "name": "ada"}
    assert watch.get(f"/incidents/{incident}")["flags"] == ["page_skipped"]


def test_a_user_who_leaves_is_a_named_gap(watch: Watch) -> None:
    incident = watch.open(watch.policy(step(watch.target("bob")), step(watch.schedule("ada"))))
    watch.ask("DELETE", f"/users/{watch.users['ada']}")
    watch.step(minutes=5)
    (gap,) = [one["data"] for one in watch.timeline(incident) if one["type"] == "schedule_gap"]
    assert (gap["gap"], gap["absent"][0]["name"]) == ("user_left", "ada")


def test_a_policy_that_is_gone_when_a_rule_opens_an_incident(watch: Watch) -> None:
    policy = watch.policy(step(watch.target("ada")))
    rule = {"name": "Down", "expr": "up == 0", "auto_incident": True}
    watch.post("/alert-rules", {**rule, "escalation_policy_id": policy["id"]})
    watch.server.write([({"__name__": "up"}, [(int(watch.clock.now().timestamp() * 1000), 0.0)])])
    watch.ask("DELETE", f"/escalation-policies/{policy['id']}")
    watch.step(minutes=1)
    (incident,) = watch.get("/incidents")["data"]
    assert watch.types(incident["id"]) == ["triggered", "not_escalated"]
    assert incident["flags"] == ["not_escalated"]
    assert watch.get("/escalations")["data"] == []
    assert watch.refused("GET", "/escalations/esr_01")[:2] == (404, "escalation_not_found")


def test_a_rule_pages(watch: Watch) -> None:
    policy = watch.policy(step(watch.target("ada")))
    rule = {"name": "Down", "expr": "up == 0", "auto_incident": True}
    watch.post("/alert-rules", {**rule, "escalation_policy_id": policy["id"]})
    watch.server.write([({"__name__": "up"}, [(int(watch.clock.now().timestamp() * 1000), 0.0)])])
    watch.step(minutes=1)
    (incident,) = watch.get("/incidents")["data"]
    assert watch.paged(incident["id"]) == ["0.0 ada"]


def test_an_incident_that_is_acknowledged_before_its_event_is_relayed(watch: Watch) -> None:
    policy = watch.policy(step(watch.target("ada")), ack_timeout="10m")
    body = {"title": "t", "severity": "sev1", "services": [], "escalation_policy_id": policy["id"]}
    incident = watch.post("/incidents", body)["id"]
    watch.ack(incident)
    watch.server.run_jobs()
    assert watch.pages(incident) == []
    watch.step(minutes=10)
    assert watch.paged(incident) == ["1.0 ada"]


def test_one_page_for_each_contact_of_a_step(watch: Watch) -> None:
    """A user who is a target twice is paged once, by each contact method."""
    watch.method("ada", "webhook")
    channel = watch.post("/notification-channels", {"name": "log", "type": "sink"})["id"]
    targets = [watch.target("ada"), watch.schedule("ada"), {"type": "channel", "id": channel}]
    incident = watch.open(watch.policy(step(*targets)))
    found = [(one["target"]["name"], one["method"]["type"]) for one in watch.pages(incident)]
    assert sorted(found) == [("ada", "sink"), ("ada", "webhook"), ("log", "channel")]
    (entry,) = [one for one in watch.timeline(incident) if one["type"] == "paged"]
    assert entry["data"]["count"] == 3
