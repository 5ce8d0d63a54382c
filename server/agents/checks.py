"""What an action must fulfil: the limits of its agent, its state, and the hash of its content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from novaql.ledger import canonical_json
from novaql.server.agents.model import (
    EVERY,
    Status,
    content_hash,
    is_capable,
    outside_scope,
    refusal_of_decision,
)
from novaql.server.agents.tables import Agent, AgentAction
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Forbidden, invalid

LONGEST_CONTENT = 64 << 10
API = "api"
"""The executor of actions that agents carry out themselves."""


class OutsideLimits(Forbidden):
    """An agent proposed an action outside its capabilities or its scope: a violation."""


def check_limits(agent: Agent, kind: str, services: Sequence[str]) -> None:
    """Raise `OutsideLimits` for a kind or a service that an agent may not act on."""
    if not is_capable(agent.capabilities, kind):
        message = f"the agent has no capability for {kind}"
        raise OutsideLimits(message, code="outside_capabilities")
    strange = outside_scope(agent.services, services)
    if strange:
        message = f"not in the scope of the agent: {', '.join(strange[:10])}"
        raise OutsideLimits(message, code="outside_scope")
    if len(set(services)) > agent.max_services:
        message = f"an action of the agent changes at most {agent.max_services} services"
        raise OutsideLimits(message, code="outside_scope")


def check_decidable(unit: Unit, agent: Agent, action: AgentAction) -> None:
    """Raise `Conflict` unless an action can be decided."""
    void = is_void(agent, action.created_at)
    refusal = refusal_of_decision(action.status, action.expires_at, unit.now(), voided=void)
    if refusal is not None:
        code, message = refusal
        raise Conflict(message, code=code)


def check_runnable(unit: Unit, agent: Agent, action: AgentAction) -> None:
    """Raise `Conflict` unless an action can begin."""
    if action.status != Status.APPROVED:
        raise Conflict(f"the action is {action.status}", code="action_not_approved")
    if unit.now() >= action.expires_at:
        raise Conflict("the approval has expired", code="action_expired")
    if is_void(agent, action.created_at):
        raise Conflict("the agent was stopped; propose the action again", code="agent_stopped")
    check_still_allowed(agent, action)


def check_still_allowed(agent: Agent, action: AgentAction) -> None:
    """Raise `Conflict` if capabilities or scope have become too narrow for an action."""
    try:
        check_limits(agent, action.kind, action.services)
    except OutsideLimits as beyond:
        raise Conflict(beyond.message, code=beyond.code) from None


def is_trusted(unit: Unit, agent: Agent, services: Sequence[str]) -> bool:
    """Whether the trust in an agent that acts itself can approve what the sender proposes."""
    return unit.actor.id == agent.owner_id and (bool(services) or EVERY in agent.services)


def is_void(agent: Agent, proposed_at: datetime) -> bool:
    """Whether an agent was stopped after an action, or a run, was proposed."""
    stopped = agent.stopped_at
    return agent.status == "stopped" or (stopped is not None and proposed_at <= stopped)


def changed_by(action: AgentAction) -> str | None:
    """Return the user who has changed the content of an action, if its executor reports one.

    The content of an agent that acts itself is a free text of its requester.
    """
    return None if action.executor == API else action.content.get("changed_by")


def check_hash(action: AgentAction, given: str) -> None:
    """Raise `Conflict` `action_changed` unless a hash is that of an action."""
    if given != action.content_hash:
        raise Conflict(
            "the content of the action does not have this hash; review it again",
            code="action_changed",
        )


def check_own(action: AgentAction) -> None:
    """Raise `Conflict` `other_executor` unless the agent itself carries out an action."""
    if action.executor != API:
        message = f"its executor, {action.executor}, starts it and reports the outcome"
        raise Conflict(message, code="other_executor")


def hash_of(
    agent_id: str, kind: str, title: str, services: Sequence[str], content: Mapping[str, Any]
) -> tuple[str, int]:
    """Return the hash and the length of a new content. Raises `InvalidRequest` if it is too long or
    inexact."""
    try:
        orjson.dumps(content)  # the database stores no integer beyond 64 bits
        length = len(canonical_json(content))
        if length > LONGEST_CONTENT:
            raise invalid("/content", f"may have {LONGEST_CONTENT} bytes as canonical JSON")
        return content_hash(agent_id, kind, title, set(services), content), length
    except (ValueError, orjson.JSONEncodeError) as problem:
        raise invalid("/content", str(problem)) from None
