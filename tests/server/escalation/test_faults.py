"""Escalations when clocks, users, limits and other systems do not do what is usual."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from novaql.server.clock import SteppedClock
from novaql.server.db.tables import AuditEntry, Event
from novaql.server.escalation import runs
from tests.server.escalation.conftest import NOW, Watch, step
from tests.support.peers.receiver import receiving
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database

DELETED_BY = ("users", "scim")


def state_of(watch: Watch, incident: str) -> str:
    (run,) = watch.get(f"/escalations?incident={incident}")["data"]
    return str(run["state"])


def delayed(watch: Watch, name: str, delay: str = "3m") -> None:
    """A new user who is paged by a webhook after a delay."""
    watch.user(name, method=None)
    rule = {"contact_method_id": watch.method(name, "webhook"), "delay": delay}
    watch.post(f"/users/{watch.users[name]}/notification-rules", rule)


@pytest.mark.slow
@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(minutes=2)])
def test_a_clock_that_is_set_back_delays_no_step(watch: Watch, back: timedelta) -> None:
    ada, bob = watch.target("ada"), watch.target("bob")
    incident = watch.open(watch.policy(step(ada), step(bob), ack_timeout="30m", repeat=1))
    watch.clock.step(-back)
    watch.server.run_jobs()
    watch.step(minutes=4, seconds=59)
    assert watch.paged(incident) == ["0.0 ada"]
    watch.step(seconds=1)
    assert watch.paged(incident) == ["0.0 ada", "0.1 bob"]

    watch.ack(incident)
    watch.server.run_jobs()
    watch.clock.step(-back)
    watch.server.run_jobs()
    watch.step(minutes=29)
    assert state_of(watch, incident) == "acknowledged"
    watch.step(minutes=1)
    assert watch.paged(incident)[2:] == ["1.0 ada"]


def test_a_clock_that_is_set_back_while_a_job_starts(watch: Watch) -> None:
    """The job has been claimed at its time, and its transaction begins before that time."""
    incident = watch.open(watch.policy(step(watch.target("ada")), step(watch.target("bob"))))
    watch.clock.step(timedelta(minutes=5))
    runner: Any = watch.server.runner
    (claimed,) = runner._claim(1, [runs.STEP])
    watch.clock.step(timedelta(milliseconds=-300))
    runner._run(claimed)
    runner._leave(claimed)
    watch.step(seconds=1)
    assert watch.paged(incident) == ["0.0 ada", "0.1 bob"]


@pytest.mark.slow
def test_after_an_outage_each_escalation_runs_one_step(watch: Watch) -> None:
    """Steps that were due meanwhile do not follow each other at once."""
    policy = watch.policy(step(watch.target("ada")), step(watch.target("bob")), repeat=5)
    opened = [watch.open(policy) for _ in range(15)]
    watch.step(hours=1)
    for incident in opened:
        assert watch.paged(incident) == ["0.0 ada", "0.1 bob"]
    watch.step(minutes=4, seconds=59)
    assert all(len(watch.pages(incident)) == 2 for incident in opened)
    watch.step(seconds=1)
    for incident in opened:
        assert watch.paged(incident) == ["0.0 ada", "0.1 bob", "1.0 ada"]


@pytest.mark.slow
def test_a_partial_acknowledgement_after_the_last_cycle_expires(watch: Watch) -> None:
    targets = [watch.target("ada"), watch.target("bob")]
    incident = watch.open(watch.policy(step(*targets, mode="multi_ack"), ack_timeout="1h"))
    watch.step(minutes=5)
    assert state_of(watch, incident) == "exhausted"
    watch.ack(incident, "ada")
    watch.server.run_jobs()
    assert state_of(watch, incident) == "acknowledged"
    watch.step(hours=1)
    assert watch.paged(incident)[2:] == ["1.0 ada", "1.0 bob"]


@pytest.mark.slow
@pytest.mark.parametrize("base", DELETED_BY)
def test_a_user_who_was_deactivated_meanwhile_receives_no_page(watch: Watch, base: str) -> None:
    """The contact methods remain with the user, and return with them."""
    delayed(watch, "fay")
    incident = watch.open(watch.policy(step(watch.target("fay"))))
    user = watch.users["fay"]
    path = f"/users/{user}" if base == "users" else f"/scim/v2/Users/{user}"
    assert watch.ask("DELETE", path).status_code == 204
    watch.step(minutes=3)
    (page,) = watch.pages(incident)
    assert (page["status"], page["reason"]) == ("failed", "the user was deactivated")
    assert watch.receiver.of("/fay") == []
    methods = f"/users/{user}/contact-methods"
    assert watch.refused("GET", methods)[:2] == (404, "user_not_found")
    if base == "users":
        (left,) = watch.get("/users?status=deactivated")["data"]
        watch.post(path, {"version": left["version"], "status": "active"}, 200)
        assert [one["name"] for one in watch.get(methods)["data"]] == ["webhook"]


def test_an_answer_that_repeats_secrets(watch: Watch) -> None:
    """Error pages contain the path of the request, which is a secret of a contact method."""
    watch.user("fay", method=None)
    url = f"{watch.receiver.url}/services/T01234567/SLACK-SECRET-PATH?key=QUERY-SECRET"
    hook = {"name": "w", "type": "webhook", "webhook": {"url": url, "bearer_token": "TOKEN-SECRET"}}
    watch.post(f"/users/{watch.users['fay']}/contact-methods", hook)
    watch.receiver.say(404)
    watch.receiver.echoes = True
    incident = watch.open(watch.policy(step(watch.target("fay"))))
    (page,) = watch.pages(incident)
    assert page["status"] == "failed"
    assert page["reason"] == "it answered 404: told 404 [hidden] Bearer [hidden]"
    with watch.server.context.database.read(None) as session:
        events = str(list(session.execute(select(Event.data)).scalars()))
        audit = str(
            [(e.before, e.after, e.diff) for e in session.execute(select(AuditEntry)).scalars()]
        )
    assert "page_" in events
    assert "SECRET" not in events + audit


def test_the_expiry_of_an_acknowledgement_is_in_the_audit_log(watch: Watch) -> None:
    incident = watch.open(watch.policy(step(watch.target("ada")), ack_timeout="10m"))
    watch.ack(incident)
    watch.server.run_jobs()
    watch.step(minutes=10)
    entries = watch.get(f"/audit?target={incident}&limit=200")["data"]
    (expired,) = [one for one in entries if one["action"] == "incident.ack_expire"]
    assert expired["before"]["status"] == "acknowledged"
    assert expired["after"]["status"] == "triggered"
    assert expired["actor"]["type"] == "system"


def test_an_event_that_arrives_twice_begins_one_escalation(watch: Watch) -> None:
    incident = watch.open(watch.policy(step(watch.target("ada"))))
    again = update(Event).where(Event.type == "incident.created").values(relayed_at=None)
    with watch.server.context.database.write(None) as session:
        session.execute(again)
    watch.server.run_jobs()
    assert len(watch.get("/escalations")["data"]) == 1
    assert watch.paged(incident) == ["0.0 ada"]


@pytest.mark.slow
def test_an_acknowledgement_that_races_with_a_step(watch: Watch) -> None:
    """No page follows the acknowledgement in the timeline, whichever is first."""
    policy = watch.policy(step(watch.target("ada"), wait="1s"), step(watch.target("bob")))
    runner: Any = watch.server.runner
    for _ in range(8):
        incident = watch.open(policy)
        watch.clock.step(timedelta(seconds=1))
        pages = threading.Thread(target=runner.run_due)
        pages.start()
        watch.ack(incident)
        pages.join()
        watch.step(hours=1)
        types = watch.types(incident)
        assert types.count("acknowledged") == 1
        assert "paged" not in types[types.index("acknowledged") :]
        late = [one for one in watch.pages(incident) if one["step"] == 1]
        assert len(late) == types.count("paged") - 1
        assert {one["status"] for one in late} <= {"sent", "cancelled"}


@pytest.mark.slow
def test_turns_of_a_round_robin_are_even_when_steps_run_at_once(watch: Watch) -> None:
    targets = [watch.target(name) for name in ("ada", "bob", "eve")]
    policy = watch.policy(step(*targets, mode="round_robin"))
    body = {"title": "t", "severity": "sev2", "services": [], "escalation_policy_id": policy["id"]}
    for _ in range(12):
        watch.post("/incidents", body)
    relay: Any = watch.server.relay
    relay.run_due()
    runner: Any = watch.server.runner
    threads = [threading.Thread(target=runner.run_due) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    watch.server.run_jobs()
    pages = watch.get("/pages?limit=200")["data"]
    names = Counter(one["target"]["name"] for one in pages)
    assert names == {"ada": 4, "bob": 4, "eve": 4}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_at_the_limit_of_pages_waits_for_the_next(kind: str, tmp_path: Path) -> None:
    """The policy is not used up at once while the tenant is at its limit."""
    clock = SteppedClock(NOW)
    with (
        state_database(kind, tmp_path) as database,
        local_server(
            clock=clock, database=database, egress_allow="127.0.0.0/8", max_pending_pages=1
        ) as server,
        receiving() as receiver,
    ):
        watch = Watch(server, clock, receiver)
        delayed(watch, "fay")
        watch.user("ada")
        waits = watch.open(watch.policy(step(watch.target("fay"))))
        policy = watch.policy(step(watch.target("ada")), step(watch.target("ada")))
        incident = watch.open(policy)
        (failed,) = watch.pages(incident)
        assert (failed["status"], failed["reason"]) == ("failed", "limit_reached")
        watch.step(minutes=3)
        assert [one["status"] for one in watch.pages(waits)] == ["sent"]
        watch.step(minutes=2)
        assert [one["status"] for one in watch.pages(incident)] == ["failed", "sent"]
