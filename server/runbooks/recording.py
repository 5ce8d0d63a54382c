"""Records every change of a run: an audit entry, an event, and entries of timeline and ledger."""

from __future__ import annotations

import hashlib
from typing import Any

from novaql.server.agents import actions
from novaql.server.agents.model import Status as ActionStatus
from novaql.server.agents.tables import Agent, AgentAction
from novaql.server.agents.trust import note
from novaql.server.clock import rfc3339
from novaql.server.db.unit import Unit
from novaql.server.incidents.model import EntryType
from novaql.server.incidents.tables import Incident
from novaql.server.incidents.timeline import append, is_full
from novaql.server.runbooks.model import (
    OPEN_STEPS,
    RunStatus,
    StepStatus,
    end_after,
    may_retry,
    span_of,
)
from novaql.server.runbooks.outcome import StepOutcome
from novaql.server.runbooks.redacting import Redactor
from novaql.server.runbooks.rows import current_step, secrets_of
from novaql.server.runbooks.run_schema import RunSummaryOut, StepRunOut
from novaql.server.runbooks.tables import RunbookRun, RunbookStepRun

USUAL_RETRY_WAIT = "5s"


def snapshot(run: RunbookRun) -> dict[str, Any]:
    """A run as the audit log and events contain it: with the hash of its content."""
    return RunSummaryOut.of(run).model_dump(mode="json")


def record_run(
    unit: Unit, run: RunbookRun, verb: str, before: dict[str, Any] | None, *, event: bool = True
) -> None:
    """Write the audit entry of a change, its event `runbook.run.STATUS`, and a timeline entry."""
    change = "requested" if before is None else run.status
    if change == RunStatus.RUNNING:
        change = "started"
    type_ = f"runbook.run.{change}" if event else None
    unit.record(run, f"runbook_run.{verb}", before, snapshot, event=type_)
    if event:
        _add_to_timeline(unit, run, change)


def end_run(
    unit: Unit,
    run: RunbookRun,
    status: RunStatus,
    reason: str | None = None,
    *,
    verb: str = "end",
) -> None:
    """End a run in a state. Ends a step that waits, and the action of the agent. `verb`: of the
    audit entry."""
    before = snapshot(run)
    step = current_step(unit, run)
    if step is not None and step.status in OPEN_STEPS:
        ends = {
            RunStatus.TIMED_OUT: StepStatus.TIMED_OUT,
            RunStatus.ABANDONED: StepStatus.ABANDONED,
        }
        step.status = ends.get(status, StepStatus.CANCELLED).value
        step.ended_at, step.until_at, step.detail = unit.now(), None, reason or ""
        record_step(unit, run, step)
    run.status, run.reason, run.ended_at = status.value, reason, unit.now()
    run.sealed = ""  # nothing needs its secrets any more
    # The agent is locked before the incident, as by steps and by the begin of a run.
    _end_action(unit, run)
    record_run(unit, run, verb, before)


def conclude(
    unit: Unit, run: RunbookRun, step: RunbookStepRun, outcome: StepOutcome, *, verb: str = "end"
) -> None:
    """Store the outcome of an attempt of the current step. The run continues, retries, or ends."""
    spec = run.content["steps"][run.position]
    redactor = Redactor(secrets_of(unit, run).values.values())
    most = unit.settings.runbook_output_bytes
    step.output, step.truncated = redactor.shown(outcome.output, most, cut=outcome.truncated)
    step.detail = redactor.shown(outcome.detail, 2000)[0]
    step.status, step.exit_code = outcome.status.value, outcome.exit_code
    step.until_at = None
    if may_retry(step.status, spec, step.attempt) and run.cancelled_by is None:
        record_step(unit, run, step)
        step.status, step.attempt = StepStatus.WAITING.value, step.attempt + 1
        step.until_at = unit.now() + span_of(spec["retry_wait"] or USUAL_RETRY_WAIT)
        run.status = RunStatus.WAITING.value
        unit.touch(run)
        return
    step.ended_at = unit.now()
    record_step(unit, run, step)
    end = end_after(step.status, spec)
    if end is not None:
        end_run(unit, run, end, f"step {step.name}: {step.detail or step.status}"[:2000], verb=verb)
        return
    run.position += 1
    run.status = RunStatus.RUNNING.value
    unit.touch(run)


def record_step(unit: Unit, run: RunbookRun, step: RunbookStepRun) -> None:
    """Write the audit entry, the event and the ledger entry of an outcome of a step."""
    shown = StepRunOut.model_validate(step).model_dump(mode="json")
    facts = {"run_id": run.id, "runbook_id": run.runbook_id, **shown}
    target = ("runbook_step", f"{run.id}:{step.position}")
    event = ("runbook.run.step", {"runbook_step": facts})
    unit.audit("runbook_step.end", target, after=facts, event=event)
    if run.agent_id is not None and not run.dry_run:
        agent = unit.get(Agent, run.agent_id, "agent", lock=True)
        note(unit, agent, "runbook.step", _ledger_facts(run, step))


def _ledger_facts(run: RunbookRun, step: RunbookStepRun) -> dict[str, Any]:
    return {
        "action_id": run.action_id,
        "run_id": run.id,
        "runbook_id": run.runbook_id,
        "runbook_version": run.runbook_version,
        "content_hash": run.content_hash,
        "position": step.position,
        "type": step.type,
        "status": step.status,
        "attempt": step.attempt,
        "started_at": rfc3339(step.started_at),
        "exit_code": step.exit_code,
        "output": step.output,
        "output_sha256": hashlib.sha256(step.output.encode()).hexdigest(),
        "truncated": step.truncated,
        "approvers": [one["user_id"] for one in step.approvals],
    }


def _add_to_timeline(unit: Unit, run: RunbookRun, change: str) -> None:
    if run.incident_id is None or run.dry_run:
        return
    incident = unit.find(Incident, run.incident_id, lock=True)
    if incident is None or is_full(unit, incident):
        return
    data = {
        "run_id": run.id,
        "runbook_id": run.runbook_id,
        "runbook": run.name,
        "change": change,
        "agent_id": run.agent_id,
        "reason": run.reason,
    }
    append(unit, incident, EntryType.RUNBOOK, data)


def _end_action(unit: Unit, run: RunbookRun) -> None:
    """Report the end of an agent's run. An action that has not begun is withdrawn."""
    if run.agent_id is None or run.action_id is None:
        return
    action = unit.find(AgentAction, run.action_id)
    if action is None:
        return
    if action.status == ActionStatus.RUNNING:
        result = f"{run.status}: {run.reason}" if run.reason else run.status
        actions.finish(
            unit, action.id, succeeded=run.status == RunStatus.SUCCEEDED, result=result[:2000]
        )
    elif action.status in (ActionStatus.QUEUED, ActionStatus.APPROVED):
        actions.cancel(unit, run.agent_id, action.id)
