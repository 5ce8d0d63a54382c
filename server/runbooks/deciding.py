"""Use cases of runs: approve, reject, cancel, and follow decisions about actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from novaql.server.agents.tables import Agent, AgentAction
from novaql.server.auth.roles import Role
from novaql.server.clock import rfc3339
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Forbidden
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.runbooks.model import ACTIVE, RunStatus, StepStatus
from novaql.server.runbooks.outcome import StepOutcome
from novaql.server.runbooks.recording import conclude, end_run, record_run, snapshot
from novaql.server.runbooks.rows import JOB, current_step, held
from novaql.server.runbooks.run_schema import DecideRun, RunQuery
from novaql.server.runbooks.tables import Runbook, RunbookRun

KEYS = (Key(RunbookRun.created_at, descending=True), Key(RunbookRun.id, descending=True))
_ENDED_BY = {
    "rejected": RunStatus.REJECTED,
    "expired": RunStatus.EXPIRED,
    "cancelled": RunStatus.CANCELLED,
}


def find(
    unit: Unit, pages: Pager, query: RunQuery, runbook_id: str | None = None
) -> Page[RunbookRun]:
    """A page of runs, newest first: of a runbook, or all."""
    wanted = select(RunbookRun).where(*equal_to(RunbookRun, query, "status"))
    if runbook_id is not None:
        unit.get(Runbook, runbook_id, "runbook")
        wanted = wanted.where(RunbookRun.runbook_id == runbook_id)
    return pages.page(unit, wanted, KEYS, query)


def decide(unit: Unit, run_id: str, role: Role, body: DecideRun) -> RunbookRun:
    """Approve or reject a run that waits for approval, or its approval step, as the current user.

    Raises `Forbidden` `self_approval`, `not_an_approver`; `Conflict` `action_changed`,
    `action_decided`, `action_expired`, `already_approved`, `decided_by_action`.
    """
    run = held(unit, run_id)
    if body.step is None:
        _decide_run(unit, run, role, body)
    else:
        _decide_step(unit, run, role, body)
    return run


def _decide_run(unit: Unit, run: RunbookRun, role: Role, body: DecideRun) -> None:
    if run.agent_id is not None:
        message = f"it waits for the decision about {run.action_id} of its agent"
        raise Conflict(message, code="decided_by_action")
    policy = run.content["approval_policy"]
    _check_user(unit, run, role, policy, body)
    if run.status == RunStatus.EXPIRED or (
        run.status == RunStatus.PENDING_APPROVAL and unit.now() >= run.expires_at
    ):
        raise Conflict("the run has expired; request it again", code="action_expired")
    if run.status != RunStatus.PENDING_APPROVAL:
        raise Conflict(f"the run is {run.status} already", code="action_decided")
    _check_shown(run, body)
    before = snapshot(run)
    if body.decision == "reject":
        end_run(unit, run, RunStatus.REJECTED, body.reason, verb="reject")
        unit.cancel(JOB, [run.id])
        return
    run.approvals = _with_approval(unit, run.approvals)
    if len(run.approvals) >= policy["approvals"]:
        run.status = RunStatus.QUEUED.value
        unit.enqueue(JOB, key=run.id)
    record_run(unit, run, "approve", before, event=run.status == RunStatus.QUEUED)


def _decide_step(unit: Unit, run: RunbookRun, role: Role, body: DecideRun) -> None:
    spec = run.content["steps"][body.step or 0 : (body.step or 0) + 1]
    if not spec or spec[0]["type"] != "approval":
        raise Conflict("this step is not an approval", code="not_an_approval")
    _check_user(unit, run, role, spec[0], body)
    step = current_step(unit, run)
    if (
        step is None
        or run.position != body.step
        or run.status != RunStatus.WAITING
        or step.status != StepStatus.WAITING
    ):
        raise Conflict("the step does not wait for a decision", code="action_decided")
    if step.until_at is not None and unit.now() >= step.until_at:
        raise Conflict("the time for a decision is over", code="action_expired")
    _check_shown(run, body)
    before = snapshot(run)
    if body.decision == "reject":
        rejected = StepOutcome(StepStatus.REJECTED, detail=body.reason or "")
        conclude(unit, run, step, rejected, verb="reject")
        unit.cancel(JOB, [run.id])
        return
    step.approvals = _with_approval(unit, step.approvals)
    record_run(unit, run, "approve", before, event=False)
    if len(step.approvals) >= spec[0]["approvals"]:
        approvers = ", ".join(one["user_id"] for one in step.approvals)
        conclude(unit, run, step, StepOutcome(StepStatus.SUCCEEDED, detail=f"by {approvers}"))
        unit.enqueue(JOB, key=run.id)


def cancel(unit: Unit, run_id: str) -> RunbookRun:
    """End a run: at once if it waits, otherwise after its current step. Raises `Conflict`
    `run_ended`."""
    run = held(unit, run_id)
    if run.status not in ACTIVE:
        raise Conflict(f"the run is {run.status} already", code="run_ended")
    before = snapshot(run)
    step = current_step(unit, run)
    run.cancelled_by = unit.actor.id
    if step is not None and step.status == StepStatus.RUNNING:
        record_run(unit, run, "cancel", before, event=False)
        unit.enqueue(JOB, key=run.id)
    else:
        reason = f"cancelled by {unit.actor.name}"
        end_run(unit, run, RunStatus.CANCELLED, reason, verb="cancel")
        unit.cancel(JOB, [run.id])
    return run


def follow_action(unit: Unit, action: Mapping[str, Any]) -> None:
    """Start or end a run after the decision about the action that executes it."""
    wanted = select(RunbookRun.id).where(RunbookRun.action_id == action["id"])
    run_id = unit.session.execute(wanted).scalar_one_or_none()
    if run_id is None:
        return
    run = held(unit, run_id)
    if run.status not in (RunStatus.PENDING_APPROVAL, RunStatus.QUEUED):
        return
    if action["status"] == "approved":
        before = snapshot(run)
        was, run.status = run.status, RunStatus.QUEUED.value
        unit.enqueue(JOB, key=run.id)
        if was != RunStatus.QUEUED:
            record_run(unit, run, "approve", before)
        return
    status = _ENDED_BY.get(action["status"])
    if status is not None:
        end_run(unit, run, status, f"its action is {action['status']}")
        unit.cancel(JOB, [run.id])


def ended_with(unit: Unit, action_id: str) -> RunStatus:
    """Return the state in which a run ends that cannot begin because of its action."""
    action = unit.find(AgentAction, action_id)
    return (
        RunStatus.REJECTED if action is None else _ENDED_BY.get(action.status, RunStatus.REJECTED)
    )


def _check_user(
    unit: Unit, run: RunbookRun, role: Role, policy: Mapping[str, Any], body: DecideRun
) -> None:
    user = unit.actor.id
    if body.decision == "approve":
        owner = None if run.agent_id is None else unit.find(Agent, run.agent_id)
        own = (run.requester_id, run.content.get("changed_by"), owner and owner.owner_id)
        if user in own:
            message = (
                "the requester of a run, the owner of its agent, and the user who has changed its "
                "runbook since cannot approve it"
            )
            raise Forbidden(message, code="self_approval")
    named = policy["users"]
    if (named and user not in named) or not role.covers(Role(policy["role"])):
        raise Forbidden("the runbook names other approvers", code="not_an_approver")


def _check_shown(run: RunbookRun, body: DecideRun) -> None:
    if body.content_hash != run.content_hash:
        message = "the content of the run does not have this hash; review it again"
        raise Conflict(message, code="action_changed")


def _with_approval(unit: Unit, approvals: list[Any]) -> list[Any]:
    if any(one["user_id"] == unit.actor.id for one in approvals):
        raise Conflict("you approved it already", code="already_approved")
    return [*approvals, {"user_id": unit.actor.id, "at": rfc3339(unit.now())}]
