"""/v1/agents."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response

from novaql.server.agents import actions, service
from novaql.server.agents.checks import OutsideLimits
from novaql.server.agents.schema import (
    ActionQuery,
    AgentActionOut,
    AgentActionsOut,
    AgentActionSummaryOut,
    AgentOut,
    AgentQuery,
    AgentsOut,
    ChangeAgent,
    DecideAction,
    ProposeAction,
    RegisterAgent,
    ReportResult,
    ReviseAction,
    StartAction,
    StopAgent,
)
from novaql.server.agents.tables import Agent
from novaql.server.errors import Forbidden
from novaql.server.http.dependencies import (
    ADMIN,
    OPERATOR,
    READ_ONLY,
    IfMatch,
    Pages,
    ResourceId,
    UnitOfWork,
    if_match,
)
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.http.transaction import ExternalCall, denied, rejected_after_commit

router = api_router("/v1/agents", "agents")


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows, slowly")
def list_agents(unit: UnitOfWork, pages: Pages, query: Annotated[AgentQuery, Query()]) -> AgentsOut:
    """The agents, with their trust scores, oldest first."""
    page = service.find(unit, pages, query)
    return AgentsOut.of(page, lambda agent: service.shown(unit, agent))


@router.post("", status_code=201, dependencies=[ADMIN])
@audited("agent.register")
def register_agent(unit: UnitOfWork, body: RegisterAgent, response: Response) -> AgentOut:
    """Register an agent: what it can do, on which services, and who approves its actions.

    409 if its name is taken. A user or service that does not exist is a 422, and so is a policy
    with fewer approvers than approvals.
    """
    agent = service.register(unit, body)
    response.headers["Location"] = f"/v1/agents/{agent.id}"
    return service.shown(unit, agent)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows, slowly")
def get_agent(unit: UnitOfWork, id: ResourceId) -> AgentOut:
    """One agent, with its trust score and the inputs of the score."""
    return service.shown(unit, unit.get(Agent, id, "agent"))


@router.patch("/{id}", responses={409: {}, 422: {}}, dependencies=[ADMIN, Depends(if_match)])
@audited("agent.update")
def change_agent(unit: UnitOfWork, id: ResourceId, body: ChangeAgent, seen: IfMatch) -> AgentOut:
    """Change an agent. Queued actions retain the policy with which they were queued."""
    expected = body.version if seen is None else seen
    return service.shown(unit, service.change(unit, id, body, expected))


@router.post("/{id}/stop", dependencies=[OPERATOR])
@audited("agent.stop")
def stop_agent(unit: UnitOfWork, id: ResourceId, body: StopAgent) -> AgentOut:
    """Stop an agent now. It cannot propose actions, and its open actions can neither be approved
    nor begin, even after it is resumed."""
    return service.shown(unit, service.stop(unit, id, body.reason))


@router.post("/{id}/resume", dependencies=[ADMIN])
@audited("agent.resume")
def resume_agent(unit: UnitOfWork, id: ResourceId) -> AgentOut:
    """Let a stopped agent propose actions again. Actions proposed before the stop remain void."""
    return service.shown(unit, service.resume(unit, id))


@router.get("/{id}/actions", dependencies=[READ_ONLY])
@cached(by="rows")
def list_agent_actions(
    unit: UnitOfWork, pages: Pages, id: ResourceId, query: Annotated[ActionQuery, Query()]
) -> AgentActionsOut:
    """The actions of an agent, newest first, without their contents. `status=queued` selects those
    that wait for approval."""
    return AgentActionsOut.of(actions.find(unit, pages, id, query), AgentActionSummaryOut.of)


@router.post(
    "/{id}/actions", dependencies=[OPERATOR], response_model=AgentActionOut, responses={403: {}}
)
@audited("agent_action.decide")
def decide_agent_action(
    unit: UnitOfWork, id: ResourceId, body: DecideAction
) -> AgentActionOut | ExternalCall[None, AgentActionOut]:
    """Approve or reject a queued action of an agent.

    The decision is about the content with `content_hash`: 409 `action_changed` if the action has
    other content by now. The requester of the action and the owner of the agent cannot approve it
    (403 `self_approval`). 409 if it is decided or expired already.
    """
    try:
        action = actions.decide(
            unit,
            id,
            body.action_id,
            approve=body.decision == "approve",
            shown_hash=body.content_hash,
            reason=body.reason,
        )
    except Forbidden as refusal:
        return denied(
            unit, f"agent_action.{body.decision}", ("agent_action", body.action_id), refusal
        )
    return AgentActionOut.of(action)


@router.post(
    "/{id}/proposals",
    status_code=201,
    dependencies=[OPERATOR],
    response_model=AgentActionOut,
    responses={403: {}},
)
@audited("agent_action.propose")
def propose_agent_action(
    unit: UnitOfWork, id: ResourceId, body: ProposeAction, response: Response
) -> AgentActionOut | ExternalCall[None, AgentActionOut]:
    """Propose an action that the agent will carry out itself.

    It is `queued` until it is approved, or `approved` at once if the trust score reaches the
    threshold of the policy. Beyond the agent's capabilities or scope, the answer is a 403, and a
    violation that lowers the trust score.
    """
    try:
        action = actions.propose(
            unit, id, body.kind, body.content, title=body.title, services=body.services
        )
    except OutsideLimits as refusal:
        actions.violation(unit, id, refusal, body.kind)
        return rejected_after_commit(refusal)
    response.headers["Location"] = f"/v1/agents/{id}/actions/{action.id}"
    return AgentActionOut.of(action)


@router.get("/{id}/actions/{action_id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_agent_action(unit: UnitOfWork, id: ResourceId, action_id: ResourceId) -> AgentActionOut:
    """One action, with the content to decide about and its hash."""
    return AgentActionOut.of(actions.get(unit, id, action_id))


@router.patch(
    "/{id}/actions/{action_id}",
    response_model=AgentActionOut,
    responses={403: {}, 409: {}, 422: {}},
    dependencies=[OPERATOR, Depends(if_match)],
)
@audited("agent_action.revise")
def revise_agent_action(
    unit: UnitOfWork, id: ResourceId, action_id: ResourceId, body: ReviseAction, seen: IfMatch
) -> AgentActionOut | ExternalCall[None, AgentActionOut]:
    """Replace the content of a queued action, as its requester or the agent's owner.

    The action gets a new hash, and requires all approvals again.
    """
    expected = body.version if seen is None else seen
    try:
        action = actions.revise(
            unit, id, action_id, body.content, title=body.title, version=expected
        )
    except Forbidden as refusal:
        return denied(unit, "agent_action.revise", ("agent_action", action_id), refusal)
    return AgentActionOut.of(action)


@router.post(
    "/{id}/actions/{action_id}/start",
    dependencies=[OPERATOR],
    response_model=AgentActionOut,
    responses={403: {}},
)
@audited("agent_action.start")
def start_agent_action(
    unit: UnitOfWork, id: ResourceId, action_id: ResourceId, body: StartAction
) -> AgentActionOut | ExternalCall[None, AgentActionOut]:
    """Begin an approved action, as its requester or the agent's owner; only the first request can.

    From then on the action is `running`: it does not expire, and cannot be withdrawn. If it is not
    reported within `agent_action_deadline_s`, it is `abandoned`, which counts as a failure.
    409 if the action is not approved, has other content or has expired, or if the agent is stopped.
    """
    try:
        action = actions.begin(unit, id, action_id, shown_hash=body.content_hash)
    except Forbidden as refusal:
        return denied(unit, "agent_action.start", ("agent_action", action_id), refusal)
    return AgentActionOut.of(action)


@router.post(
    "/{id}/actions/{action_id}/result",
    dependencies=[OPERATOR],
    response_model=AgentActionOut,
    responses={403: {}},
)
@audited("agent_action.report")
def report_agent_action(
    unit: UnitOfWork, id: ResourceId, action_id: ResourceId, body: ReportResult
) -> AgentActionOut | ExternalCall[None, AgentActionOut]:
    """Report the outcome of an action, as its requester or the agent's owner.

    It changes the trust score. An approved action that was not started begins and ends at once.
    409 if the action is neither running nor approved, or has expired.
    """
    try:
        action = actions.report(
            unit,
            id,
            action_id,
            shown_hash=body.content_hash,
            succeeded=body.outcome == "executed",
            result=body.result,
        )
    except Forbidden as refusal:
        return denied(unit, "agent_action.report", ("agent_action", action_id), refusal)
    return AgentActionOut.of(action)


@router.post("/{id}/actions/{action_id}/cancel", dependencies=[OPERATOR])
@audited("agent_action.cancel")
def cancel_agent_action(unit: UnitOfWork, id: ResourceId, action_id: ResourceId) -> AgentActionOut:
    """Withdraw an action that has not begun. 409 if it has, or has ended."""
    return AgentActionOut.of(actions.cancel(unit, id, action_id))
