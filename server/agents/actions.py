"""Use cases of actions: propose, revise, decide, start and finish.

Executors call these in their own units:

    action = propose(unit, agent_id, "runbook.run", content, title=…, executor="runbook")
    start(unit, action.id, hash_of_what_runs)     once, after the event `agent.action.approved`
    finish(unit, action.id, succeeded=True, result="…")

Each locks the job that ends the action, then the rows of the agent, the action and the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import defer

from novaql.server.agents.changes import end, expires_in, new_salt, publish, record_hash, snapshot
from novaql.server.agents.checks import (
    API,
    changed_by,
    check_decidable,
    check_hash,
    check_limits,
    check_own,
    check_runnable,
    check_still_allowed,
    hash_of,
    is_trusted,
)
from novaql.server.agents.model import OPEN, Outcome, Status
from novaql.server.agents.schema import ActionQuery
from novaql.server.agents.tables import Agent, AgentAction
from novaql.server.agents.trust import check_not_full, count, note, score_now
from novaql.server.clock import rfc3339
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Forbidden, not_found
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.ledger.service import is_full

KEYS = (Key(AgentAction.created_at, descending=True), Key(AgentAction.id, descending=True))
EXPIRY = "agents.expire"


def find(unit: Unit, pages: Pager, agent_id: str, query: ActionQuery) -> Page[AgentAction]:
    """A page of an agent's actions, newest first, without their contents."""
    unit.get(Agent, agent_id, "agent")
    wanted = (
        select(AgentAction)
        .where(AgentAction.agent_id == agent_id, *equal_to(AgentAction, query, "status"))
        .options(defer(AgentAction.content), defer(AgentAction.result))
    )
    return pages.page(unit, wanted, KEYS, query)


def get(unit: Unit, agent_id: str, action_id: str) -> AgentAction:
    """Load an action of an agent. Raises `NotFound`."""
    unit.get(Agent, agent_id, "agent")
    return _of_agent(unit, agent_id, action_id, lock=False)


def held(unit: Unit, agent_id: str, action_id: str) -> tuple[Agent, AgentAction]:
    """Lock an agent and one of its actions. Raises `NotFound`.

    The job that ends the action is locked first, because the job itself holds its row before it
    locks the agent. With another order, or a second call, two transactions may wait for each other.
    """
    expiry = select(Job.id).where(Job.kind == EXPIRY, Job.key == action_id)
    unit.session.execute(expiry.with_for_update()).all()
    agent = unit.get(Agent, agent_id, "agent", lock=True)
    return agent, _of_agent(unit, agent_id, action_id, lock=True)


def propose(
    unit: Unit,
    agent_id: str,
    kind: str,
    content: Mapping[str, Any],
    *,
    title: str,
    services: Sequence[str] = (),
    executor: str = API,
) -> AgentAction:
    """Queue an action, or approve it at once if the trust score reaches the policy's threshold (for
    an agent that acts itself: if its owner proposes it, with services unless all are in scope).

    Raises `OutsideLimits` for a kind or a service that the agent may not act on (then call
    `violation`, in another or the same unit); `Conflict` `agent_stopped` or `limit_reached`.
    """
    check_limit(unit, "max_queued_actions", AgentAction, AgentAction.ended_at.is_(None))
    agent = unit.get(Agent, agent_id, "agent", lock=True)
    if agent.status == "stopped":
        raise Conflict("the agent is stopped", code="agent_stopped")
    check_not_full(unit, agent)
    check_limits(agent, kind, services)
    digest, length = hash_of(agent.id, kind, title, services, content)
    score, threshold = score_now(unit, agent), agent.policy["auto_approve_from"]
    automatic = (
        threshold is not None
        and score >= threshold
        and (executor != API or is_trusted(unit, agent, services))
    )
    action = unit.new(
        AgentAction,
        "act",
        agent_id=agent.id,
        kind=kind,
        title=title,
        content=dict(content),
        content_hash=digest,
        content_bytes=length,
        services=sorted(set(services)),
        executor=executor,
        salt=new_salt(),
        requester_id=unit.actor.id,
        status=Status.QUEUED.value,
        policy=agent.policy,
        score=score,
        threshold=threshold,
        automatic=automatic,
        approvals=[],
        expires_at=unit.now() + expires_in(agent.policy),
    )
    unit.session.add(action)
    unit.enqueue(EXPIRY, key=action.id, run_at=action.expires_at)
    note(unit, agent, "agent.action.queued", {**_facts(action), "requester": action.requester_id})
    unit.record(action, "agent_action.propose", None, snapshot, event="agent.action.queued")
    if automatic:
        _approve(unit, agent, action)
        publish(unit, action)
    return action


def violation(unit: Unit, agent_id: str, refusal: Forbidden, kind: str) -> None:
    """Record that an agent violated a guardrail: in its trust score, its ledger and the audit log.
    If the user is not its owner, only in the audit log: others cannot lower its trust score."""
    agent = unit.get(Agent, agent_id, "agent", lock=True)
    why = {"kind": kind, "code": refusal.code, "why": refusal.message}
    if unit.actor.type != "user" or unit.actor.id == agent.owner_id:
        count(unit, agent, Outcome.VIOLATION)
        if not is_full(unit, agent.id):
            note(unit, agent, "agent.violation", why)
    unit.audit("agent_action.propose", ("agent", agent.id), after=why, outcome="denied")


def revise(
    unit: Unit,
    agent_id: str,
    action_id: str,
    content: Mapping[str, Any],
    *,
    title: str | None = None,
    version: int | None,
) -> AgentAction:
    """Replace the content of a queued action, made from its row version. Earlier approvals are
    void. Only the requester and the agent's owner can, because neither can approve it. Raises
    `Forbidden` `not_requester`, `VersionConflict`, and the errors of `propose` and `decide`."""
    agent, action = held(unit, agent_id, action_id)
    if unit.actor.id not in (action.requester_id, agent.owner_id):
        message = "only its requester and the agent's owner can revise it"
        raise Forbidden(message, code="not_requester")
    unit.expect(action, version)
    _revise(unit, agent, action, content, title)
    return action


def amend(unit: Unit, action_id: str, content: Mapping[str, Any]) -> AgentAction:
    """Replace the content of a queued action, as its executor, because what it would run has
    changed. Earlier approvals are void, and the user in `changed_by` of the content cannot approve
    it. Raises `Conflict` `action_decided`, `action_expired`, and the errors of `propose`."""
    agent, action = _held_by_id(unit, action_id)
    _revise(unit, agent, action, content, None)
    return action


def _revise(
    unit: Unit, agent: Agent, action: AgentAction, content: Mapping[str, Any], title: str | None
) -> None:
    check_decidable(unit, agent, action)
    check_not_full(unit, agent)
    before = snapshot(action)
    action.title = action.title if title is None else title
    digest, length = hash_of(agent.id, action.kind, action.title, action.services, content)
    action.content_hash, action.content_bytes = digest, length
    action.content, action.approvals = dict(content), []
    note(unit, agent, "agent.action.revised", _facts(action))
    unit.record(action, "agent_action.revise", before, snapshot, event="agent.action.revised")


def decide(
    unit: Unit, agent_id: str, action_id: str, *, approve: bool, shown_hash: str, reason: str | None
) -> AgentAction:
    """Approve or reject a queued action as the current user.

    Raises `Forbidden` `self_approval` or `not_an_approver`; `Conflict` `action_changed` if
    `shown_hash` is not that of its content, and `action_decided`, `action_expired`,
    `already_approved` or `agent_stopped`.
    """
    agent, action = held(unit, agent_id, action_id)
    user = unit.actor.id
    if approve and user in (action.requester_id, agent.owner_id, changed_by(action)):
        raise Forbidden(
            "the requester of an action, the owner of its agent, and the user who has changed its "
            "content cannot approve it",
            code="self_approval",
        )
    if action.policy["approvers"] and user not in action.policy["approvers"]:
        raise Forbidden("the policy of the agent names other approvers", code="not_an_approver")
    check_decidable(unit, agent, action)
    check_hash(action, shown_hash)
    before = snapshot(action)
    action.reason = reason
    if not approve:
        count(unit, agent, Outcome.REJECTION)
        _decided(unit, action, Status.REJECTED)
        action.ended_at = unit.now()
        note(
            unit, agent, "agent.action.rejected", {**_facts(action), **record_hash(action, reason)}
        )
        unit.cancel(EXPIRY, [action.id])
    else:
        if any(one["user_id"] == user for one in action.approvals):
            raise Conflict("you approved it already", code="already_approved")
        check_still_allowed(agent, action)
        action.approvals = [*action.approvals, {"user_id": user, "at": rfc3339(unit.now())}]
        if len(action.approvals) >= action.policy["approvals"]:
            _approve(unit, agent, action)
        else:
            note(unit, agent, "agent.action.approval", _facts(action))
    verb = "approve" if approve else "reject"
    unit.record(action, f"agent_action.{verb}", before, snapshot)
    if action.status != Status.QUEUED:
        publish(unit, action)
    return action


def start(unit: Unit, action_id: str, running_hash: str) -> AgentAction:
    """Begin an approved action; only the first call can.

    running_hash  `model.content_hash` of what is about to run. Raises `Conflict` `action_changed`
                  if it is not what was approved; `action_not_approved`, `action_expired` or
                  `agent_stopped`.
    """
    agent, action = _held_by_id(unit, action_id)
    _start(unit, agent, action, running_hash)
    return action


def _start(unit: Unit, agent: Agent, action: AgentAction, running_hash: str) -> None:
    check_runnable(unit, agent, action)
    check_hash(action, running_hash)
    action.status = Status.RUNNING.value
    unit.touch(action)
    unit.cancel(EXPIRY, [action.id])
    note(unit, agent, "agent.action.started", _facts(action))


def finish(unit: Unit, action_id: str, *, succeeded: bool, result: str = "") -> AgentAction:
    """End an action that runs. `result` is a short text without secrets. Raises `Conflict`
    `action_not_running`."""
    agent, action = _held_by_id(unit, action_id)
    _finish(unit, agent, action, succeeded=succeeded, result=result)
    return action


def _finish(unit: Unit, agent: Agent, action: AgentAction, *, succeeded: bool, result: str) -> None:
    if action.status != Status.RUNNING:
        raise Conflict(f"the action is {action.status}", code="action_not_running")
    unit.cancel(EXPIRY, [action.id])
    count(unit, agent, Outcome.SUCCESS if succeeded else Outcome.FAILURE)
    status = Status.EXECUTED if succeeded else Status.FAILED
    facts = {**_facts(action), **record_hash(action, result, "result")}
    end(unit, agent, action, status, facts, result)


def begin(unit: Unit, agent_id: str, action_id: str, *, shown_hash: str) -> AgentAction:
    """Begin an approved action that the agent itself carries out, as its owner or requester. Its
    outcome has to be reported within `agent_action_deadline_s`."""
    agent, action = _held_own(unit, agent_id, action_id)
    before = snapshot(action)
    _start(unit, agent, action, shown_hash)
    action.expires_at = unit.now() + timedelta(seconds=unit.settings.agent_action_deadline_s)
    unit.enqueue(EXPIRY, key=action.id, run_at=action.expires_at)
    unit.audit(
        "agent_action.start", ("agent_action", action.id), before=before, after=snapshot(action)
    )
    return action


def report(
    unit: Unit, agent_id: str, action_id: str, *, shown_hash: str, succeeded: bool, result: str
) -> AgentAction:
    """Report the outcome of an action that the agent itself carried out, as its owner or requester.
    An approved action that did not begin yet begins and ends at once."""
    agent, action = _held_own(unit, agent_id, action_id)
    before = snapshot(action)
    if action.status == Status.RUNNING:
        check_hash(action, shown_hash)
    else:
        _start(unit, agent, action, shown_hash)
    _finish(unit, agent, action, succeeded=succeeded, result=result)
    unit.audit(
        "agent_action.report", ("agent_action", action.id), before=before, after=snapshot(action)
    )
    return action


def cancel(unit: Unit, agent_id: str, action_id: str) -> AgentAction:
    """Withdraw an action that does not run yet. Raises `Conflict` `action_decided`."""
    agent, action = held(unit, agent_id, action_id)
    if action.status not in (Status.QUEUED, Status.APPROVED):
        raise Conflict(f"the action is {action.status} already", code="action_decided")
    before = snapshot(action)
    unit.cancel(EXPIRY, [action.id])
    end(unit, agent, action, Status.CANCELLED, _facts(action))
    unit.audit(
        "agent_action.cancel", ("agent_action", action.id), before=before, after=snapshot(action)
    )
    return action


def expire(unit: Unit, action_id: str) -> None:
    """End an action that was not decided, did not begin, or was not reported in time. What its
    agent did of one that began is not known: it counts as a failure."""
    action = unit.find(AgentAction, action_id)
    if action is None:
        return
    agent, action = held(unit, action.agent_id, action_id)
    unit.session.refresh(action)
    if action.status not in OPEN:
        return
    if action.expires_at > unit.now():  # the clock was set back, and the time of the job with it
        unit.enqueue(EXPIRY, key=action.id, run_at=action.expires_at)
    elif action.status != Status.RUNNING:
        end(unit, agent, action, Status.EXPIRED, _facts(action))
    elif action.executor == API:
        count(unit, agent, Outcome.FAILURE)
        end(unit, agent, action, Status.ABANDONED, _facts(action))


def _approve(unit: Unit, agent: Agent, action: AgentAction) -> None:
    _decided(unit, action, Status.APPROVED)
    action.expires_at = unit.now() + expires_in(action.policy)
    unit.enqueue(EXPIRY, key=action.id, run_at=action.expires_at)
    facts = {**_facts(action), "automatic": action.automatic}
    approvers = [one["user_id"] for one in action.approvals]
    more = {"approvers": approvers, **record_hash(action, action.reason)}
    note(unit, agent, "agent.action.approved", {**facts, **more})


def _decided(unit: Unit, action: AgentAction, status: Status) -> None:
    action.status, action.decided_at = status.value, unit.now()
    action.decided_by = unit.actor.id


def _facts(action: AgentAction) -> dict[str, Any]:
    """Return what ledger entries contain about an action: no texts of people, only hashes."""
    return {
        "action_id": action.id,
        "kind": action.kind,
        "services": action.services,
        "content_hash": action.content_hash,
        "approvals": len(action.approvals),
        "required_approvals": action.policy["approvals"],
        "queued_score": action.score,
        "queued_threshold": action.threshold,
    }


def _held_own(unit: Unit, agent_id: str, action_id: str) -> tuple[Agent, AgentAction]:
    """Lock an agent and an action that it carries out itself, for its owner or requester."""
    agent, action = held(unit, agent_id, action_id)
    check_own(action)
    if unit.actor.id not in (action.requester_id, agent.owner_id):
        message = "only its requester and the agent's owner start and report it"
        raise Forbidden(message, code="not_requester")
    return agent, action


def _held_by_id(unit: Unit, action_id: str) -> tuple[Agent, AgentAction]:
    action = unit.get(AgentAction, action_id, "action")
    agent, action = held(unit, action.agent_id, action_id)
    unit.session.refresh(action)
    return agent, action


def _of_agent(unit: Unit, agent_id: str, action_id: str, *, lock: bool) -> AgentAction:
    action = unit.get(AgentAction, action_id, "action", lock=lock)
    if action.agent_id != agent_id:
        raise not_found("action", action_id, unit.tenant_name)
    return action
