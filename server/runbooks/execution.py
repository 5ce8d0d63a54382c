"""The job that executes a run: one step in each of its runs.

Two transactions enclose a step. The first stores that the step begins. The second stores its
outcome, if the job still has its lease. If a step has begun, but has no outcome, the predecessor of
the job was killed: the job repeats the step if that is harmless, and otherwise
abandons the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import select

from novaql import QueryCancelled
from novaql.fast_dataclass import dataclass
from novaql.server.agents import actions
from novaql.server.agents.checks import is_void
from novaql.server.agents.tables import Agent
from novaql.server.crypto.sealing import CannotUnseal
from novaql.server.db.tables import Job
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, ServerError, Unavailable
from novaql.server.jobs.runner import JobRun
from novaql.server.runbooks.deciding import ended_with
from novaql.server.runbooks.dry_run import record_plan
from novaql.server.runbooks.http_step import run_http
from novaql.server.runbooks.model import (
    ACTIVE,
    RunStatus,
    StepStatus,
    frozen_by,
    may_repeat,
    span_of,
)
from novaql.server.runbooks.notify_step import queue_message
from novaql.server.runbooks.outcome import StepOutcome
from novaql.server.runbooks.parameters import inserted
from novaql.server.runbooks.query_step import run_query_step
from novaql.server.runbooks.recording import conclude, end_run, record_run, record_step, snapshot
from novaql.server.runbooks.redacting import Redactor
from novaql.server.runbooks.rows import Secrets, current_step, secrets_of, steps_of
from novaql.server.runbooks.script_step import run_script
from novaql.server.runbooks.service import is_stopped
from novaql.server.runbooks.starting import excess_of, may_begin_now, running_hash
from novaql.server.runbooks.tables import RunbookRun, RunbookStepRun

_AGAIN = timedelta(milliseconds=200)
POLL_S = 0.5
"""The interval in which a step checks whether its run was cancelled."""


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing is to be done before a time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Perform:
    """A step whose start is stored.

    step     with the values of parameters in it
    longest  the length of the longest spelling of a secret
    """

    run_id: str
    step: Mapping[str, Any]
    timeout_s: float
    longest: int


def execute(job: JobRun) -> None:
    """Take the run whose id is the job's key one step further."""
    with job.note() as unit:
        todo = _advance(unit, job.key)
    if todo is None:
        return
    if isinstance(todo, Later):
        with job.finish(again_at=todo.at):
            return
    outcome = _perform(job, todo)
    with job.finish(again_at=job.context.clock.now()) as unit:
        run = unit.find(RunbookRun, todo.run_id, lock=True)
        step = None if run is None else current_step(unit, run)
        if run is None or step is None or step.status != StepStatus.RUNNING:
            return
        if outcome is None:
            outcome = queue_message(unit, run, todo.step)
        conclude(unit, run, step, outcome)


def _perform(job: JobRun, todo: Perform) -> StepOutcome | None:
    """Do what a step does. None: it is done in the transaction that stores its outcome."""
    step, context = todo.step, job.context
    most = context.settings.runbook_output_bytes + todo.longest
    match step["type"]:
        case "http":
            watch = CancelWatch(job, todo.run_id)
            # A server that stops waits for the answer: the step could not be repeated.
            return run_http(
                context.dialer, step, todo.run_id, todo.timeout_s, most, watch.is_cancelled
            )
        case "query":
            return run_query_step(context, step, todo.timeout_s, job.cancellation)
        case "script":
            watch = CancelWatch(job, todo.run_id)
            outcome = run_script(context, step, todo.timeout_s, watch)
            if outcome.status == StepStatus.CANCELLED and job.cancellation.cancelled:
                raise QueryCancelled("the server stops")  # the next start decides what follows
            return outcome
    return None


class CancelWatch:
    """Whether a step is to end early: the server stops, or a user has cancelled its run."""

    def __init__(self, job: JobRun, run_id: str) -> None:
        self._job = job
        self._run_id = run_id
        self._looked = monotonic()
        self._cancelled = False

    def __call__(self) -> bool:
        return self._job.cancellation.cancelled or self.is_cancelled()

    def is_cancelled(self) -> bool:
        """Whether a user has cancelled the run, or stopped runbooks or its agent, or another server
        has taken the job over: it repeats the step, or abandons the run."""
        if not self._cancelled and monotonic() - self._looked >= POLL_S:
            self._looked = monotonic()
            # A database that does not answer for a moment must not end a step that has begun.
            with suppress(Unavailable):
                self._cancelled = self._has_reason()
        return self._cancelled

    def _has_reason(self) -> bool:
        with self._job.read() as unit:
            run = unit.find(RunbookRun, self._run_id)
            own = select(Job.id).where(Job.id == self._job.id, Job.lease == self._job.lease)
            return (
                run is None
                or _why_stop(unit, run) is not None
                or unit.session.execute(own).first() is None
            )


def _advance(unit: Unit, run_id: str) -> Later | Perform | None:
    """Store what happens next with a run: its end, a wait, or the start of a step."""
    run = unit.find(RunbookRun, run_id, lock=True)
    if run is None or run.status not in ACTIVE:
        return None
    if run.status == RunStatus.PENDING_APPROVAL:
        if run.agent_id is not None:
            return None  # the action of the agent expires
        if unit.now() < run.expires_at:
            return Later(run.expires_at)
        end_run(unit, run, RunStatus.EXPIRED, "it was not approved in time")
        return None
    try:
        secrets_of(unit, run)
    except CannotUnseal:
        run.sealed = ""
        end_run(unit, run, RunStatus.ABANDONED, "the server cannot decrypt its secrets")
        return None
    if run.status == RunStatus.QUEUED:
        if not may_begin_now(unit, run):
            return Later(unit.now() + _AGAIN)
        if not _begin(unit, run):
            return None
    return _next(unit, run)


def _begin(unit: Unit, run: RunbookRun) -> bool:
    """Begin a run that is approved. False: it has ended instead."""
    secrets = secrets_of(unit, run)
    found = running_hash(run, secrets)
    if found is None or (found != run.content_hash and run.agent_id is None):
        end_run(unit, run, RunStatus.REJECTED, "its content is not what was approved")
        return False
    if run.dry_run:
        record_plan(unit, run, secrets.values)
        return False
    why = _why_stop(unit, run)
    if why is not None:
        end_run(unit, run, RunStatus.CANCELLED, why)
        return False
    window = frozen_by(run.content["guardrails"]["freeze_windows"], unit.now())
    if window is not None:
        end_run(unit, run, RunStatus.REJECTED, f"changes are frozen: {window['name'] or 'window'}")
        return False
    excess = excess_of(unit, run)
    if excess is not None:
        end_run(unit, run, RunStatus.REJECTED, excess)
        return False
    if run.action_id is not None:
        try:
            actions.start(unit, run.action_id, found)
        except Conflict as refusal:
            actions.expire(unit, run.action_id)  # if its time is over, and its job has not run yet
            status = ended_with(unit, run.action_id)
            end_run(unit, run, status, f"{refusal.code}: {refusal.message}")
            return False
    before = snapshot(run)
    run.status, run.started_at = RunStatus.RUNNING.value, unit.now()
    run.deadline_at = unit.now() + span_of(run.content["guardrails"]["timeout"])
    record_run(unit, run, "start", before)
    return True


def _next(unit: Unit, run: RunbookRun) -> Later | Perform | None:
    now = unit.now()
    step, specs = current_step(unit, run), run.content["steps"]
    if step is not None and step.status == StepStatus.RUNNING and not _resume(unit, run, step):
        return None
    why = _why_stop(unit, run)
    if why is not None:
        end_run(unit, run, RunStatus.CANCELLED, why)
        return None
    assert run.deadline_at is not None
    if now >= run.deadline_at:
        end_run(unit, run, RunStatus.TIMED_OUT, "the time of the run is over")
        return None
    if run.position >= len(specs):
        failed = [one.name for one in steps_of(unit, run) if one.status != StepStatus.SUCCEEDED]
        reason = f"went on after: {', '.join(failed)}"[:2000] if failed else None
        status = RunStatus.FAILED if len(failed) == len(specs) else RunStatus.SUCCEEDED
        end_run(unit, run, status, reason)
        return None
    spec = specs[run.position]
    if step is None:
        step = _new_step(unit, run, spec)
        if step.status == StepStatus.WAITING:
            return Later(min(step.until_at or now, run.deadline_at))
        return _performing(unit, run, step, spec)
    if step.status == StepStatus.WAITING:
        if step.until_at is not None and now < step.until_at:
            return Later(min(step.until_at, run.deadline_at))
        if spec["type"] == "wait":
            conclude(unit, run, step, StepOutcome(StepStatus.SUCCEEDED))
            return Later(now)
        if spec["type"] == "approval":
            late = StepOutcome(StepStatus.TIMED_OUT, detail="no decision in time")
            conclude(unit, run, step, late)
            return Later(now)
        step.status, step.until_at = StepStatus.RUNNING.value, None
        run.status = RunStatus.RUNNING.value
        return _performing(unit, run, step, spec)
    return _performing(unit, run, step, spec)


def _resume(unit: Unit, run: RunbookRun, step: RunbookStepRun) -> bool:
    """Handle a step whose process ended before its outcome was stored. False: the run has ended."""
    if may_repeat(run.content["steps"][run.position]):
        step.attempt += 1
        step.detail = "repeated: the server ended during the attempt before"
        record_step(unit, run, step)
        return True
    why = f"step {step.name}: the server ended during it, and it is not idempotent"
    end_run(unit, run, RunStatus.ABANDONED, why)
    return False


def _new_step(unit: Unit, run: RunbookRun, spec: Mapping[str, Any]) -> RunbookStepRun:
    """Store that the next step begins: it runs, or it waits."""
    until = None
    if spec["type"] == "wait":
        until = unit.now() + span_of(spec["duration"])
    elif spec["type"] == "approval":
        until = unit.now() + _timeout(unit, spec)
    status = StepStatus.RUNNING if until is None else StepStatus.WAITING
    step = RunbookStepRun(
        run_id=run.id,
        position=run.position,
        name=spec["name"],
        type=spec["type"],
        status=status.value,
        attempt=1,
        started_at=unit.now(),
        until_at=until,
        output="",
        truncated=False,
        detail="",
        approvals=[],
    )
    unit.session.add(step)
    if until is not None:
        before = snapshot(run)
        run.status = RunStatus.WAITING.value
        if spec["type"] == "approval":
            step.detail = inserted(spec, run.content["parameters"])["message"]
            record_run(unit, run, "wait", before)
    unit.session.flush()
    return step


def _performing(
    unit: Unit, run: RunbookRun, step: RunbookStepRun, spec: Mapping[str, Any]
) -> Perform | Later:
    secrets: Secrets = secrets_of(unit, run)
    try:
        whole = inserted(spec, {**run.content["parameters"], **secrets.values})
    except ServerError as problem:
        conclude(unit, run, step, StepOutcome(StepStatus.REFUSED, detail=problem.message))
        return Later(unit.now())
    assert run.deadline_at is not None
    left = min(_timeout(unit, spec), run.deadline_at - unit.now())
    longest = Redactor(secrets.values.values()).longest
    return Perform(run.id, whole, max(left.total_seconds(), 0.001), longest)


def _timeout(unit: Unit, spec: Mapping[str, Any]) -> timedelta:
    if spec["timeout"] is not None:
        return span_of(spec["timeout"])
    if spec["type"] == "approval":
        return timedelta(seconds=unit.settings.runbook_approval_expiry_s)
    return timedelta(seconds=unit.settings.runbook_step_timeout_s)


def _why_stop(unit: Unit, run: RunbookRun) -> str | None:
    """Return why a run has to end now, or None."""
    if is_stopped(unit):
        return "an administrator has stopped runbooks"
    if run.cancelled_by is not None:
        return f"cancelled by {run.cancelled_by}"
    if run.agent_id is not None:
        agent = unit.find(Agent, run.agent_id)
        if agent is None or is_void(agent, run.created_at):
            return "its agent was stopped"
    return None
