"""Use cases of agents: register, change, stop and resume."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from novaql.server.agents.model import EVERY, Outcome
from novaql.server.agents.schema import AgentOut, AgentQuery, ChangeAgent, PolicyBody, RegisterAgent
from novaql.server.agents.tables import Agent
from novaql.server.agents.trust import check_not_full, half_life, note
from novaql.server.auth.roles import Role
from novaql.server.catalog.lookup import services_held
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, impossible, invalid
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.http.shapes import duration_text

KEYS = (Key(Agent.created_at), Key(Agent.id))
_SHORTEST_S, _LONGEST_S = 1, 30 * 86_400


def find(unit: Unit, pages: Pager, query: AgentQuery) -> Page[Agent]:
    """A page of the agents, oldest first."""
    wanted = select(Agent).where(*equal_to(Agent, query, "status"))
    return pages.page(unit, wanted, KEYS, query)


def shown(unit: Unit, agent: Agent) -> AgentOut:
    """Convert a row for clients."""
    return AgentOut.of(agent, unit.now(), half_life(unit))


def register(unit: Unit, body: RegisterAgent) -> Agent:
    """Create an agent and its ledger. Raises `Impossible` for unknown users and services."""
    check_limit(unit, "max_agents", Agent)
    owner = unit.actor.id if body.owner_id is None else body.owner_id
    if body.owner_id is not None:
        _check_users(unit, [owner], "/owner_id")
    scope = _scope(unit, body.scope.services)
    agent = unit.new(
        Agent,
        "agt",
        name=body.name,
        description=body.description,
        owner_id=owner,
        capabilities=sorted(set(body.capabilities)),
        services=scope,
        max_services=body.scope.max_services,
        policy=_policy(unit, body.policy, owner),
        status="active",
        tally={},
        totals=dict.fromkeys((one.value for one in Outcome), 0),
        created_by=unit.actor.id,
    )
    with flushed_or(unit.session, _taken(body.name)):
        unit.session.add(agent)
    note(unit, agent, "agent.registered", _facts(agent))
    unit.record(agent, "agent.register", None, snapshot, event="agent.registered")
    return agent


def change(unit: Unit, agent_id: str, body: ChangeAgent, version: int | None) -> Agent:
    """Change an agent. Queued actions retain the policy with which they were queued."""
    agent = unit.get(Agent, agent_id, "agent", lock=True)
    unit.expect(agent, version)
    check_not_full(unit, agent)
    before = snapshot(agent)
    with flushed_or(unit.session, _taken(body.name or agent.name)):
        if body.name is not None:
            agent.name = body.name
        if body.description is not None:
            agent.description = body.description
        if body.capabilities is not None:
            agent.capabilities = sorted(set(body.capabilities))
        if body.scope is not None:
            agent.services = _scope(unit, body.scope.services)
            agent.max_services = body.scope.max_services
        if body.policy is not None:
            agent.policy = _policy(unit, body.policy, agent.owner_id)
    note(unit, agent, "agent.updated", _facts(agent))
    unit.record(agent, "agent.update", before, snapshot, event="agent.updated")
    return agent


def stop(unit: Unit, agent_id: str, reason: str) -> Agent:
    """Stop an agent: it cannot propose actions, and its open actions can neither be approved nor
    begin, even after it is resumed."""
    agent = unit.get(Agent, agent_id, "agent", lock=True)
    if agent.status == "stopped":
        raise Conflict("the agent is stopped already", code="agent_stopped")
    before = snapshot(agent)
    agent.status, agent.stopped_at, agent.stop_reason = "stopped", unit.now(), reason
    note(unit, agent, "agent.stopped", {})
    unit.record(agent, "agent.stop", before, snapshot, event="agent.stopped")
    return agent


def resume(unit: Unit, agent_id: str) -> Agent:
    """Let a stopped agent propose actions again."""
    agent = unit.get(Agent, agent_id, "agent", lock=True)
    if agent.status != "stopped":
        raise Conflict("the agent is not stopped", code="agent_not_stopped")
    check_not_full(unit, agent)
    before = snapshot(agent)
    agent.status, agent.stop_reason = "active", None
    note(unit, agent, "agent.resumed", {})
    unit.record(agent, "agent.resume", before, snapshot, event="agent.resumed")
    return agent


def snapshot(agent: Agent) -> dict[str, Any]:
    """An agent as the audit log and events contain it: without its trust score, which decays."""
    return {
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "owner_id": agent.owner_id,
        **_facts(agent),
        "status": agent.status,
        "stop_reason": agent.stop_reason,
    }


def _facts(agent: Agent) -> dict[str, Any]:
    """Return the configuration of an agent, without texts of people."""
    return {
        "capabilities": agent.capabilities,
        "scope": {"services": agent.services, "max_services": agent.max_services},
        "policy": agent.policy,
    }


def _taken(name: str) -> Conflict:
    return Conflict(f"an agent is named {name} already", code="name_taken")


def _scope(unit: Unit, services: list[str]) -> list[str]:
    names = sorted(set(services))
    if EVERY in names:
        return [EVERY]
    known = services_held(unit, names) if names else frozenset()
    for number, name in enumerate(services):
        if name not in known:
            message = f"no service of the catalog is named {name}"
            raise impossible(f"/scope/services/{number}", message, "unknown_service")
    return names


def _policy(unit: Unit, body: PolicyBody, owner_id: str) -> dict[str, Any]:
    usual = timedelta(seconds=unit.settings.agent_action_expiry_s)
    expires_after = usual if body.expires_after is None else body.expires_after
    seconds = expires_after.total_seconds()
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise invalid("/policy/expires_after", "must be from 1s to 30d")
    approvers = list(dict.fromkeys(body.approvers))
    _check_users(unit, approvers, "/policy/approvers")
    if approvers and len(set(approvers) - {owner_id}) < body.approvals:
        message = f"{body.approvals} approvals need as many approvers besides the owner"
        raise impossible("/policy/approvals", message, "too_few_approvers")
    return {
        "approvals": body.approvals,
        "approvers": approvers,
        "auto_approve_from": body.auto_approve_from,
        "expires_after": duration_text(expires_after),
    }


def _check_users(unit: Unit, ids: list[str], pointer: str) -> None:
    if not ids:
        return
    able = select(User.id).where(
        User.id.in_(ids), User.status == "active", User.role != Role.READ_ONLY.value
    )
    known = set(unit.session.execute(able).scalars())
    for number, user_id in enumerate(ids):
        if user_id not in known:
            place = pointer if pointer == "/owner_id" else f"{pointer}/{number}"
            message = f"no active operator or administrator has the id {user_id}"
            raise impossible(place, message, "unknown_user")
