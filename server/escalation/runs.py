"""Runs: when they begin, advance, pause at an acknowledgement, and end.

Locks are acquired in the order job, incident, run, page.

A job of a run contains the time for which it was enqueued. If the run has the same time, the job is
due now, even if the clock was set back meanwhile: the runner corrects the times of jobs, not those
of runs. A job for another time is early.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from novaql.server.clock import to_ms
from novaql.server.db.unit import Unit
from novaql.server.escalation.model import PageStatus, RunState, is_answered
from novaql.server.escalation.paging import page_step
from novaql.server.escalation.tables import EscalationRun, Page
from novaql.server.incidents.model import EntryType, Status
from novaql.server.incidents.service import expire_acknowledgement, flag, snapshot
from novaql.server.incidents.tables import Incident
from novaql.server.incidents.timeline import append, is_full
from novaql.server.jobs.outbox import Consumer, EventEnvelope

STEP, EXPIRE = "escalation.step", "escalation.ack_timeout"


def begin(unit: Unit, event: EventEnvelope) -> None:
    """An incident was created: begin its escalation with the policy of that time."""
    policy_id = event.data["incident"]["escalation_policy_id"]
    if policy_id is None:
        return
    incident = unit.find(Incident, event.data["incident"]["id"], lock=True)
    if incident is None or incident.status == Status.RESOLVED.value:
        return
    known = select(EscalationRun.id).where(EscalationRun.incident_id == incident.id)
    if unit.session.execute(known).first() is not None:
        return
    policy = event.data.get("escalation_policy")
    if policy is None:
        data = {"policy": {"id": policy_id, "name": None}, "reason": "policy_deleted"}
        flag(unit, incident, EntryType.NOT_ESCALATED.value)
        append(unit, incident, EntryType.NOT_ESCALATED, data)
        unit.publish("incident.not_escalated", {"incident_id": incident.id, **data})
        return
    run = unit.new(
        EscalationRun,
        "esr",
        incident_id=incident.id,
        policy=policy,
        state=RunState.RUNNING.value,
        cycle=0,
        repeats=0,
        step=0,
        next_at=unit.now(),
        required=[],
        needed=0,
    )
    unit.session.add(run)
    unit.session.flush()
    if incident.status == Status.ACKNOWLEDGED.value:  # before this event was relayed
        _pause(unit, run)
    else:
        _enqueue(unit, STEP, run.id, unit.now() if run.next_at is None else run.next_at)


def advance(unit: Unit, run_id: str, job: Mapping[str, Any]) -> None:
    """Run the next step if it is due and the incident is not acknowledged. `job`: its payload."""
    found = locked(unit, run_id)
    if found is None:
        return
    run, incident = found
    if run.state != RunState.RUNNING.value or run.next_at is None:
        return
    if incident.status == Status.RESOLVED.value:
        _finish(unit, run, RunState.ENDED)
    elif answered(run, incident):
        _pause(unit, run)
    elif _is_early(unit, run.next_at, job):
        _enqueue(unit, STEP, run.id, run.next_at)
    elif run.step < len(run.policy["steps"]) or _repeats(run):
        _steps(unit, run, incident)
    else:
        _exhaust(unit, run, incident)


def acknowledged(unit: Unit, event: EventEnvelope) -> None:
    """An incident was acknowledged: stop its pages until the acknowledgement expires."""
    wanted = select(EscalationRun.id, EscalationRun.state, EscalationRun.policy)
    row = unit.session.execute(
        wanted.where(EscalationRun.incident_id == event.data["incident"]["id"])
    ).one_or_none()
    if row is None:
        return
    run_id, state, policy = row
    timeout_s = policy["ack_timeout_s"]
    armed = None
    if state != RunState.ACKNOWLEDGED.value and timeout_s is not None:
        armed = unit.now() + timedelta(seconds=timeout_s)
        # before the other locks: a job that runs has locked its own row
        _enqueue(unit, EXPIRE, run_id, armed)
    found = locked(unit, run_id)
    if found is None or found[0].state in (RunState.ACKNOWLEDGED.value, RunState.ENDED.value):
        return
    run, incident = found
    is_over = run.state == RunState.EXHAUSTED.value
    if answered(run, incident) or (is_over and incident.status == Status.ACKNOWLEDGED.value):
        _pause(unit, run, armed=armed)
    elif incident.status == Status.ACKNOWLEDGED.value:
        users = [one.user_id for one in incident.acknowledgers]
        _cancel_pages(unit, run, "acknowledged", users)


def expire(unit: Unit, run_id: str, job: Mapping[str, Any]) -> None:
    """Return an incident to triggered if its acknowledgement is too old, and start over.

    job  the payload of the job
    """
    found = locked(unit, run_id)
    if found is None:
        return
    run, incident = found
    if run.state != RunState.ACKNOWLEDGED.value or run.ack_due is None:
        return
    if incident.status != Status.ACKNOWLEDGED.value:
        return
    if _is_early(unit, run.ack_due, job):
        _enqueue(unit, EXPIRE, run.id, run.ack_due)
        return
    run.state, run.ack_due = RunState.RUNNING.value, None
    run.cycle, run.repeats, run.step = run.cycle + 1, 0, 0
    run.required, run.needed, run.next_at = [], 0, unit.now()
    unit.touch(run)
    expire_acknowledgement(unit, incident)


def restart(unit: Unit, event: EventEnvelope) -> None:
    """An acknowledgement expired: the first step is due.

    `expire` does not do this itself: the job of the step may run, and wait for the incident.
    """
    wanted = select(EscalationRun.id, EscalationRun.next_at)
    found = wanted.where(EscalationRun.incident_id == event.data["incident"]["id"])
    row = unit.session.execute(found).one_or_none()
    if row is not None and row.next_at is not None:
        _enqueue(unit, STEP, row.id, row.next_at)


def ended(unit: Unit, event: EventEnvelope) -> None:
    """An incident was resolved: end its escalation."""
    wanted = select(EscalationRun.id)
    of_incident = wanted.where(EscalationRun.incident_id == event.data["incident"]["id"])
    run_id = unit.session.execute(of_incident).scalar_one_or_none()
    found = None if run_id is None else locked(unit, run_id)
    if found is not None and found[0].state != RunState.ENDED.value:
        _finish(unit, found[0], RunState.ENDED)


def locked(unit: Unit, run_id: str) -> tuple[EscalationRun, Incident] | None:
    """Lock the incident of a run, then the run. Every change of a run holds the first lock."""
    wanted = select(EscalationRun.incident_id).where(EscalationRun.id == run_id)
    incident_id = unit.session.execute(wanted).scalar_one_or_none()
    incident = None if incident_id is None else unit.find(Incident, incident_id, lock=True)
    run = None if incident is None else unit.find(EscalationRun, run_id, lock=True)
    return None if run is None or incident is None else (run, incident)


def answered(run: EscalationRun, incident: Incident) -> bool:
    """Whether an incident counts as acknowledged for its run."""
    users = [one.user_id for one in incident.acknowledgers]
    return is_answered(incident.status, users, run.required, run.needed)


def _steps(unit: Unit, run: EscalationRun, incident: Incident) -> None:
    """Run steps until one reaches a receiver. The last step always waits, so that a policy that
    reaches no receiver is not exhausted at once."""
    steps = run.policy["steps"]
    users = {one.user_id for one in incident.acknowledgers}
    while True:
        reached = page_step(unit, run, incident, users)
        run.step += 1
        if reached or run.step == len(steps):
            break
    run.next_at = unit.now() + timedelta(seconds=steps[run.step - 1]["wait_s"])
    unit.touch(run)
    _enqueue(unit, STEP, run.id, run.next_at)


def _repeats(run: EscalationRun) -> bool:
    """Begin the next cycle, if the policy has one more."""
    if run.repeats >= run.policy["repeat"]:
        return False
    run.repeats, run.cycle, run.step = run.repeats + 1, run.cycle + 1, 0
    return True


def _exhaust(unit: Unit, run: EscalationRun, incident: Incident) -> None:
    data = {
        "policy": {"id": run.policy["id"], "name": run.policy["name"]},
        "cycles": run.repeats + 1,
    }
    flag(unit, incident, EntryType.ESCALATION_EXHAUSTED.value)
    if not is_full(unit, incident):
        append(unit, incident, EntryType.ESCALATION_EXHAUSTED, data)
    unit.publish("incident.escalation_exhausted", {"incident": snapshot(incident), **data})
    if incident.status == Status.ACKNOWLEDGED.value:  # by fewer users than the policy requires
        _pause(unit, run)
    else:
        run.state, run.next_at = RunState.EXHAUSTED.value, None
        unit.touch(run)


def _pause(unit: Unit, run: EscalationRun, *, armed: datetime | None = None) -> None:
    """Stop paging until the acknowledgement expires. `armed`: the time of the job for that."""
    timeout_s, run.ack_due = run.policy["ack_timeout_s"], armed
    if armed is None and timeout_s is not None:
        run.ack_due = unit.now() + timedelta(seconds=timeout_s)
        _enqueue(unit, EXPIRE, run.id, run.ack_due)
    _finish(unit, run, RunState.ACKNOWLEDGED)


def _enqueue(unit: Unit, kind: str, run_id: str, at: datetime) -> None:
    unit.enqueue(kind, key=run_id, payload={"due": to_ms(at)}, run_at=at)


def _is_early(unit: Unit, due: datetime, job: Mapping[str, Any]) -> bool:
    """Whether a job runs before a time of its run, for which it was not enqueued."""
    return due > unit.now() and job.get("due") != to_ms(due)


def _finish(unit: Unit, run: EscalationRun, state: RunState) -> None:
    run.state, run.next_at = state.value, None
    if state is RunState.ENDED:
        run.ack_due = None
    unit.touch(run)
    _cancel_pages(unit, run, "resolved" if state is RunState.ENDED else "acknowledged")


def _cancel_pages(
    unit: Unit, run: EscalationRun, reason: str, users: list[str] | None = None
) -> None:
    """Cancel the pages of a run that wait: all, or those to some users."""
    own = [Page.run_id == run.id, Page.status == PageStatus.PENDING.value]
    if users is not None:
        own.append(Page.target_id.in_(users))
    cancelled = {"status": PageStatus.CANCELLED.value, "reason": reason, "updated_at": unit.now()}
    unit.session.execute(update(Page).where(*own).values(**cancelled, version=Page.version + 1))


CONSUMERS = (
    Consumer("incident.created", begin),
    Consumer("incident.acknowledged", acknowledged),
    Consumer("incident.acknowledger_added", acknowledged),
    Consumer("incident.ack_expired", restart),
    Consumer("incident.resolved", ended),
)
