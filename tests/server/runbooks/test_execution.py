"""Runs that are interrupted, cancelled, blocked; what they leave in audit and timelines."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta
from time import sleep
from typing import Any, cast

import pytest
from sqlalchemy import select, update

from novaql.server.clock import SteppedClock
from novaql.server.db.tables import AuditEntry, Event, Job
from novaql.server.errors import Unavailable
from novaql.server.history import RETENTIONS
from novaql.server.jobs.housekeeping import forget
from novaql.server.jobs.runner import JobRun, JobRunner
from novaql.server.runbooks.execution import POLL_S, CancelWatch, _advance
from novaql.server.runbooks.tables import RunbookStepRun
from tests.support.contract.denied_targets import denied_urls
from tests.support.peers.receiver import Receiver
from tests.support.servers.agent_rig import NOW, code_of
from tests.support.servers.http_server import local_server
from tests.support.servers.runbook_rig import WAIT, RunbookRig, http, query, statuses


def interrupt(rig: RunbookRig, run_id: str) -> None:
    """Begin the current step of a run as a process that is killed before its outcome is stored:
    its lease is over."""
    runner = rig.server.runner
    assert isinstance(runner, JobRunner)
    (claimed,) = runner._claim(1, ["runbooks.run"])
    with claimed.note() as unit:
        assert _advance(unit, run_id) is not None
    runner._leave(claimed)
    with rig.server.context.database.write(None) as session:
        session.execute(update(Job).values(lease=None, lease_until=None, leased_by=None))


def test_an_interrupted_step_is_not_repeated(either: RunbookRig, receiver: Receiver) -> None:
    rig = either
    run_id = rig.start(rig.runbook(http(receiver.url)))
    interrupt(rig, run_id)
    assert rig.look(run_id)["status"] == "running"
    rig.server.run_jobs()
    run = rig.look(run_id)
    assert (run["status"], statuses(run)) == ("abandoned", ["abandoned"])
    assert receiver.heard == []


@pytest.mark.parametrize("idempotent", [True, False])
def test_an_interrupted_step_that_is_harmless_is_repeated(
    either: RunbookRig, receiver: Receiver, *, idempotent: bool
) -> None:
    rig = either
    first = http(receiver.url, idempotent=True) if idempotent else query("vector(1)")
    run_id = rig.start(rig.runbook(first))
    interrupt(rig, run_id)
    rig.server.run_jobs()
    run = rig.look(run_id)
    assert (run["status"], run["steps"][0]["attempt"]) == ("succeeded", 2)
    assert len(receiver.heard) == int(idempotent)


def test_a_message_of_an_interrupted_step_is_queued_once(rig: RunbookRig) -> None:
    channel = rig.post("/v1/notification-channels", {"name": "ops", "type": "sink"})["id"]
    step = {"name": "say", "type": "notify", "channel": "ops", "message": "now"}
    run_id = rig.start(rig.runbook(step))
    interrupt(rig, run_id)
    rig.server.run_jobs()
    assert rig.look(run_id)["status"] == "succeeded"
    assert len(rig.get(f"/v1/notification-channels/{channel}/messages")["data"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("act", ["cancel", "stop"])
def test_a_request_that_waits_for_its_answer_is_cancelled(
    rig: RunbookRig, receiver: Receiver, act: str
) -> None:
    receiver.hold.clear()
    steps = http(f"{receiver.url}/slow"), http(receiver.url)
    run_id = rig.start(rig.runbook(*steps))
    working = threading.Thread(target=rig.server.run_jobs)
    working.start()
    while not receiver.heard:
        sleep(0.01)
    if act == "stop":
        rig.post("/v1/runbooks/stop", {"reason": "no more"}, 200)
    else:
        assert rig.post(f"/v1/runs/{run_id}/cancel", None, 200)["status"] == "running"
    working.join(timeout=15)  # the receiver answers after 20 seconds
    run = rig.look(run_id)
    receiver.hold.set()
    assert (run["status"], statuses(run)) == ("cancelled", ["cancelled"])
    assert "may have acted" in run["steps"][0]["detail"]
    assert [one.path for one in receiver.heard] == ["/slow"]


def test_a_denied_target_is_refused_at_creation(receiver: Receiver) -> None:
    port = int(receiver.url.rpartition(":")[2])
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        rig = RunbookRig(server, clock)
        for target in denied_urls(port):
            answer = rig.ask("POST", "/v1/runbooks", {"name": "x", "steps": [http(target)]})
            assert answer.status_code == 422, (target, answer.text)
            assert answer.json()["error"]["details"][0]["pointer"] == "/steps/0/url"
    assert receiver.heard == []


def test_a_name_that_changes_its_address_is_blocked(receiver: Receiver) -> None:
    port = int(receiver.url.rpartition(":")[2])
    addresses = ["192.0.43.8"]
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        object.__setattr__(server.context.dialer, "resolver", lambda host, port: addresses)
        rig = RunbookRig(server, clock)
        runbook = rig.runbook(http(f"http://turning.example:{port}/"))
        addresses[:] = ["127.0.0.1"]
        run = rig.run(runbook)
    assert (run["status"], statuses(run)) == ("failed", ["blocked"])
    assert receiver.heard == []


def test_a_redirect_is_not_followed(rig: RunbookRig, receiver: Receiver) -> None:
    receiver.say(302, Location=f"{receiver.url}/inside")
    run = rig.run(rig.runbook(http(receiver.url)))
    assert (run["status"], len(receiver.heard)) == ("failed", 1)


def test_a_target_that_does_not_listen_fails_the_step(rig: RunbookRig) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = rig.run(rig.runbook(http(f"http://127.0.0.1:{port}/")))
    assert (run["status"], run["steps"][0]["detail"]) == ("failed", "no answer: connect")


def test_every_outcome_is_in_audit_and_events(rig: RunbookRig) -> None:
    run = rig.run(rig.runbook(query("vector(1)"), WAIT))
    rig.step(seconds=30)
    with rig.server.context.database.read(None) as session:
        audited = session.execute(
            select(AuditEntry.action)
            .where(AuditEntry.target_id.startswith(run["id"]))
            .order_by(AuditEntry.id)
        )
        actions = list(audited.scalars())
        wanted = select(Event.type).where(Event.type.startswith("runbook.")).order_by(Event.id)
        events = list(session.execute(wanted).scalars())
    assert actions == [
        "runbook_run.request",
        "runbook_run.start",
        "runbook_step.end",
        "runbook_step.end",
        "runbook_run.end",
    ]
    assert events == [
        "runbook.created",
        "runbook.run.requested",
        "runbook.run.started",
        "runbook.run.step",
        "runbook.run.step",
        "runbook.run.succeeded",
    ]


def test_a_run_for_an_incident_is_in_its_timeline_and_postmortem(either: RunbookRig) -> None:
    rig = either
    rig.post("/v1/services", {"name": "api", "owner": "o", "tier": "t"})
    body = {"title": "errors", "severity": "sev2", "services": ["api"]}
    before = rig.run(rig.runbook(query("vector(1)"), name="before", service="api"))
    rig.clock.step(timedelta(minutes=1))
    incident = rig.post("/v1/incidents", body)["id"]
    rig.clock.step(timedelta(minutes=1))
    run = rig.run(rig.runbook(query("vector(1)"), name="repair"), incident_id=incident)
    rig.run(rig.runbook(query("vector(1)"), name="other"))
    path = f"/v1/incidents/{incident}"
    entries = rig.get(f"{path}/timeline")["data"]
    found = [(one["type"], one["data"].get("change")) for one in entries]
    assert found[1:] == [("runbook", "requested"), ("runbook", "started"), ("runbook", "succeeded")]
    assert entries[-1]["data"]["run_id"] == run["id"]
    written = rig.get(f"{path}/postmortem")
    cited = {one["id"]: one["text"] for one in written["related"]}
    assert set(cited) == {f"runbook_run:{before['id']}", f"runbook_run:{run['id']}"}
    assert cited[f"runbook_run:{run['id']}"].startswith("runbook repair was run by ada")
    factors = [one["evidence"] for one in written["contributing_factors"]]
    assert [f"runbook_run:{before['id']}"] in factors
    assert [f"runbook_run:{run['id']}"] not in factors


def test_ended_runs_are_deleted_with_their_steps() -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, max_history=1) as server:
        rig = RunbookRig(server, clock)
        runbook = rig.runbook(query("vector(1)"))
        old = rig.run(runbook)
        waits = rig.run(rig.runbook(WAIT, name="waits"))
        clock.step(timedelta(seconds=1))
        new = rig.run(runbook)
        forget(server.context, RETENTIONS)
        assert rig.ask("GET", f"/v1/runs/{old['id']}").status_code == 404
        with server.context.database.read(None) as session:
            left = set(session.execute(select(RunbookStepRun.run_id)).scalars())
    assert left == {waits["id"], new["id"]}


def test_a_deleted_run_of_a_job_is_nothing(rig: RunbookRig) -> None:
    runbook: Any = rig.runbook(WAIT)
    run = rig.run(runbook)
    assert code_of(rig.ask("DELETE", f"/v1/runbooks/{runbook['id']}")) == (409, "runbook_in_use")
    rig.step(seconds=30)
    assert rig.ask("DELETE", f"/v1/runbooks/{runbook['id']}").status_code == 204
    assert rig.look(run["id"])["status"] == "succeeded"


class Unanswered:
    """A run of a job whose database does not answer."""

    def read(self) -> Any:
        raise Unavailable("the database does not answer")


@pytest.mark.slow
def test_a_database_that_does_not_answer_ends_no_step() -> None:
    watch = CancelWatch(cast(JobRun, Unanswered()), "run_1")
    sleep(POLL_S)
    assert not watch.is_cancelled()
