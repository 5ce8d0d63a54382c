"""What changes of actions share: ending an action, its event, its times, and hashing texts."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from novaql import duration_ms
from novaql.server.agents.model import Status
from novaql.server.agents.schema import AgentActionOut
from novaql.server.agents.tables import Agent, AgentAction
from novaql.server.agents.trust import note
from novaql.server.db.unit import Unit


def snapshot(action: AgentAction) -> dict[str, Any]:
    """An action as the audit log and events contain it: with the hash of its content."""
    return AgentActionOut.of(action).model_dump(mode="json", exclude={"content", "salt"})


def publish(unit: Unit, action: AgentAction) -> None:
    """Publish the event of the state of an action: `agent.action.approved`."""
    unit.publish(f"agent.action.{action.status}", {"agent_action": snapshot(action)})


def end(
    unit: Unit,
    agent: Agent,
    action: AgentAction,
    status: Status,
    facts: Mapping[str, Any],
    result: str | None = None,
) -> None:
    """End an action: its state, the entry in the ledger, and the event."""
    action.status, action.ended_at, action.result = status.value, unit.now(), result
    unit.touch(action)
    note(unit, agent, f"agent.action.{status.value}", facts)
    publish(unit, action)


def record_hash(action: AgentAction, text: str | None, name: str = "reason") -> dict[str, str]:
    """Return the hash of a text of a person, so that the ledger does not contain the text. It is
    salted: a short text cannot be guessed from it without the row of the action."""
    if not text:
        return {}
    if not action.salt:  # the action is older than salts
        action.salt = new_salt()
    digest = hmac.digest(bytes.fromhex(action.salt), f"{name}:{text}".encode(), "sha256")
    return {f"{name}_hmac_sha256": digest.hex()}


def new_salt() -> str:
    """Return a random salt."""
    return secrets.token_hex(16)


def expires_in(policy: Mapping[str, Any]) -> timedelta:
    """Return the time limit of an approval policy for a decision, and for the start after it."""
    return timedelta(milliseconds=duration_ms(policy["expires_after"]))
