"""Use cases that lead to a run: request it, and renew it when its runbook changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import func, select

from novaql.fast_dataclass import dataclass
from novaql.server.agents import actions
from novaql.server.agents.checks import OutsideLimits, check_limits, hash_of
from novaql.server.agents.model import Status as ActionStatus
from novaql.server.agents.tables import Agent, AgentAction
from novaql.server.catalog.lookup import services_held
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, ServerError, impossible
from novaql.server.incidents.tables import Incident
from novaql.server.runbooks import service
from novaql.server.runbooks.model import (
    ACTIVE,
    BEGUN,
    RunStatus,
    frozen_by,
    salted_hash,
    shown_hash,
    span_of,
)
from novaql.server.runbooks.parameters import inserted, values_of
from novaql.server.runbooks.recording import end_run, record_run, snapshot
from novaql.server.runbooks.rows import JOB, Secrets, held, seal_secrets, secrets_of
from novaql.server.runbooks.schema import RunRunbook
from novaql.server.runbooks.script_step import check_possible
from novaql.server.runbooks.tables import Runbook, RunbookRun
from novaql.server.tenants.context import ServerContext

KIND, EXECUTOR = "runbook.run", "runbook"
_NOT_COUNTED = (RunStatus.REJECTED, RunStatus.EXPIRED)


@dataclass(frozen=True, slots=True)
class _Order:
    """The steps that a run would execute, with its secrets."""

    content: dict[str, Any]
    secrets: Secrets
    services: list[str]


def request(unit: Unit, context: ServerContext, runbook_id: str, body: RunRunbook) -> RunbookRun:
    """Accept a run, within the guardrails of its runbook. It begins when it is approved, by a job.

    Raises `OutsideLimits` if an agent may not do this (then call `actions.violation`); `Conflict`
    `runbooks_stopped`, `frozen`, `runs_per_hour`, `run_in_progress`, `limit_reached`,
    `executor_unavailable`; `Impossible`.
    """
    runbook = unit.get(Runbook, runbook_id, "runbook", lock=True)
    services = _services(unit, runbook, body)
    if body.incident_id is not None and unit.find(Incident, body.incident_id) is None:
        raise impossible("/incident_id", "there is no such incident", "unknown_incident")
    if body.agent_id is not None and unit.find(Agent, body.agent_id) is None:
        raise impossible("/agent_id", "there is no such agent", "unknown_agent")
    if not body.dry_run:
        _check_guardrails(unit, runbook)
    _check_radius(runbook, services, body.agent_id)
    check_limit(unit, "max_active_runs", RunbookRun, RunbookRun.status.in_(ACTIVE))
    order = _order(
        unit,
        context,
        runbook,
        body.parameters,
        services,
        incident_id=body.incident_id,
        dry_run=body.dry_run,
    )
    run = unit.new(
        RunbookRun,
        "run",
        runbook_id=runbook.id,
        runbook_version=runbook.version,
        name=runbook.name,
        services=order.services,
        requester_id=unit.actor.id,
        requester_name=unit.actor.name,
        agent_id=body.agent_id,
        incident_id=body.incident_id,
        dry_run=body.dry_run,
        content=order.content,
        position=0,
        approvals=[],
        status=RunStatus.QUEUED.value,
        expires_at=unit.now() + span_of(runbook.approval_policy["expires_after"]),
    )
    run.sealed = seal_secrets(unit, run, order.secrets)
    _place(unit, run)
    unit.session.add(run)
    record_run(unit, run, "request", None)
    return run


def _place(unit: Unit, run: RunbookRun) -> None:
    """Decide whether a new run waits for approval, and when its job checks it."""
    run.content_hash = shown_hash(run.content)
    if run.agent_id is not None:
        agent = unit.get(Agent, run.agent_id, "agent")
        if run.dry_run:
            check_limits(agent, KIND, run.services)
        else:
            action = actions.propose(
                unit,
                agent.id,
                KIND,
                run.content,
                title=title_of(run),
                services=run.services,
                executor=EXECUTOR,
            )
            run.action_id, run.content_hash = action.id, action.content_hash
            run.expires_at = action.expires_at
            if action.status == ActionStatus.QUEUED:
                run.status = RunStatus.PENDING_APPROVAL.value
            return  # the event of the decision starts or ends it
    elif run.content["approval_policy"]["approvals"] and not run.dry_run:
        run.status = RunStatus.PENDING_APPROVAL.value
        unit.enqueue(JOB, key=run.id, run_at=run.expires_at)
        return
    unit.enqueue(JOB, key=run.id)


def title_of(run: RunbookRun) -> str:
    """The title of the action that executes a run."""
    return f"Run {run.name}"[:200]


def running_hash(run: RunbookRun, secrets: Secrets) -> str | None:
    """Return the hash of what is about to run; None if its secrets are not those that were
    approved."""
    given = {name: salted_hash(secrets.salts[name], text) for name, text in secrets.values.items()}
    if given != run.content["sealed_parameters"]:
        return None
    if run.agent_id is None or run.dry_run:
        return shown_hash(run.content)
    digest, _ = hash_of(run.agent_id, KIND, title_of(run), run.services, run.content)
    return digest


def may_begin_now(unit: Unit, run: RunbookRun) -> bool:
    """Lock the runbook of a run with a limit that its other runs count for, so that two of them do
    not begin at once. False: another transaction has it. Its holder may wait for this run's job, so
    this transaction must not wait."""
    limits = run.content["guardrails"]
    if run.dry_run or (limits["max_runs_per_hour"] is None and not limits["one_at_a_time"]):
        return True
    own = select(Runbook.id).where(Runbook.id == run.runbook_id)
    return unit.session.execute(own.with_for_update(skip_locked=True)).first() is not None


def excess_of(unit: Unit, run: RunbookRun) -> str | None:
    """Return which guardrail does not allow a run beside the others of its runbook, or None. The
    caller has locked the runbook. Requests are checked, too, but approvals may let many of them
    begin at once, and an edit may have set the guardrail after them."""
    limits = run.content["guardrails"]
    others = select(func.count()).where(
        RunbookRun.runbook_id == run.runbook_id, RunbookRun.dry_run.is_(False)
    )
    most = limits["max_runs_per_hour"]
    began = others.where(RunbookRun.started_at > unit.now() - timedelta(hours=1))
    if most is not None and unit.session.execute(began).scalar_one() >= most:
        return f"the runbook may run {most} times an hour"
    begun = others.where(RunbookRun.status.in_(BEGUN))
    if limits["one_at_a_time"] and unit.session.execute(begun).scalar_one():
        return "another run has not ended"
    return None


def renew_pending(unit: Unit, context: ServerContext, runbook: Runbook) -> None:
    """Renew the runs of a changed runbook that wait for approval, so that an approval of their
    earlier content is rejected. Those that its new parameters do not allow are cancelled."""
    waiting = select(RunbookRun.id).where(
        RunbookRun.runbook_id == runbook.id, RunbookRun.status == RunStatus.PENDING_APPROVAL
    )
    ids = unit.session.execute(waiting.order_by(RunbookRun.id)).scalars().all()
    runs = [held(unit, run_id) for run_id in ids]
    # Of all of them before the first agent: a decision locks the job, and then the agent.
    unit.lock_jobs(actions.EXPIRY, [run.action_id for run in runs if run.action_id is not None])
    for run in runs:
        if run.status == RunStatus.PENDING_APPROVAL and not _is_decided(unit, run):
            _renew(unit, context, run, runbook)


def _is_decided(unit: Unit, run: RunbookRun) -> bool:
    """Whether the action of a run that waits was decided, or has expired, just now. What was
    approved runs as it was approved."""
    action = None if run.action_id is None else unit.find(AgentAction, run.action_id)
    return action is not None and (
        action.status != ActionStatus.QUEUED or unit.now() >= action.expires_at
    )


def _renew(unit: Unit, context: ServerContext, run: RunbookRun, runbook: Runbook) -> None:
    before = snapshot(run)
    try:
        _check_radius(runbook, run.services, None)
        order = _order(
            unit,
            context,
            runbook,
            _values_again(unit, run, runbook),
            run.services,
            incident_id=run.incident_id,
            changed_by=unit.actor.id,
        )
        digest = _new_hash(unit, run, order.content)
    except ServerError as problem:
        reason = f"the runbook was changed: {problem.message}"
        end_run(unit, run, RunStatus.CANCELLED, reason[:2000])
        unit.cancel(JOB, [run.id])
        return
    run.content, run.content_hash, run.approvals = order.content, digest, []
    run.runbook_version = runbook.version
    run.sealed = seal_secrets(unit, run, order.secrets)
    record_run(unit, run, "renew", before, event=False)


def _values_again(unit: Unit, run: RunbookRun, runbook: Runbook) -> dict[str, str]:
    """Return the values of a run for the parameters that its runbook still has. A parameter that is
    not secret any more must not show the value that the run has."""
    is_secret = {one["name"]: one["secret"] for one in runbook.parameters}
    plain, secret = run.content["parameters"], secrets_of(unit, run).values
    return {name: text for name, text in plain.items() if name in is_secret} | {
        name: text for name, text in secret.items() if is_secret.get(name)
    }


def _new_hash(unit: Unit, run: RunbookRun, content: Mapping[str, Any]) -> str:
    """Return the hash of new content of a run that waits; its action gets the content, too."""
    if run.action_id is None:
        return shown_hash(content)
    return actions.amend(unit, run.action_id, content).content_hash


def _order(
    unit: Unit,
    context: ServerContext,
    runbook: Runbook,
    given: Mapping[str, str],
    services: Sequence[str],
    *,
    incident_id: str | None,
    dry_run: bool = False,
    changed_by: str | None = None,
) -> _Order:
    """Return what a new run executes.

    changed_by  the user who has changed the runbook since the request, and cannot approve the run
    """
    plain, secret = values_of(runbook.parameters, given, service.secrets_of(unit, runbook))
    values = {**plain, **secret}
    for step in runbook.steps:
        check_possible(context, inserted(step, values), dry_run=dry_run)
    salts = {name: token_hex(16) for name in secret}
    hashes = {name: salted_hash(salts[name], text) for name, text in secret.items()}
    content = {
        "runbook": {"id": runbook.id, "name": runbook.name, "version": runbook.version},
        "steps": [{**step, "position": number} for number, step in enumerate(runbook.steps)],
        "guardrails": runbook.guardrails,
        "approval_policy": runbook.approval_policy,
        "parameters": plain,
        "sealed_parameters": hashes,
        "services": list(services),
        "incident_id": incident_id,
        "dry_run": dry_run,
        "changed_by": changed_by,
    }
    return _Order(content, Secrets(secret, salts), list(services))


def _services(unit: Unit, runbook: Runbook, body: RunRunbook) -> list[str]:
    own: list[str] = [] if runbook.service is None else [runbook.service]
    if body.services is None:
        return own
    # An agent cannot omit the service of the runbook, because its scope decides about it.
    names = sorted({*body.services, *(own if body.agent_id is not None else ())})
    known = services_held(unit, names) if names else frozenset()
    for number, name in enumerate(body.services):
        if name not in known:
            message = f"no service of the catalog is named {name}"
            raise impossible(f"/services/{number}", message, "unknown_service")
    return names


def _check_radius(runbook: Runbook, services: Sequence[str], agent_id: str | None) -> None:
    most = runbook.guardrails["max_services"]
    if len(services) <= most:
        return
    message = f"a run of the runbook changes at most {most} services"
    if agent_id is not None:
        raise OutsideLimits(message, code="blast_radius")
    raise impossible("/services", message, "blast_radius")


def _check_guardrails(unit: Unit, runbook: Runbook) -> None:
    """Raise `Conflict` if no run may begin now. The caller has locked the runbook."""
    if service.is_stopped(unit):
        raise Conflict("an administrator has stopped runbooks", code="runbooks_stopped")
    limits = runbook.guardrails
    window = frozen_by(limits["freeze_windows"], unit.now())
    if window is not None:
        raise Conflict(f"changes are frozen now: {window['name'] or 'window'}", code="frozen")
    mine = select(func.count()).where(
        RunbookRun.runbook_id == runbook.id, RunbookRun.dry_run.is_(False)
    )
    most = limits["max_runs_per_hour"]
    if most is not None:
        recent = mine.where(
            RunbookRun.created_at > unit.now() - timedelta(hours=1),
            RunbookRun.status.not_in(_NOT_COUNTED),
        )
        if unit.session.execute(recent).scalar_one() >= most:
            raise Conflict(f"the runbook may run {most} times an hour", code="runs_per_hour")
    if limits["one_at_a_time"]:
        active = mine.where(RunbookRun.status.in_(ACTIVE))
        if unit.session.execute(active).scalar_one():
            raise Conflict("another run has not ended", code="run_in_progress")
