"""Look-ups of escalation policies by id."""

from __future__ import annotations

from typing import Any

from novaql.server.db.unit import Unit
from novaql.server.errors import impossible
from novaql.server.escalation_model.tables import EscalationPolicy


def check_policy(unit: Unit, policy_id: str, pointer: str) -> None:
    """Raise `Impossible` `unknown_escalation_policy` if there is no policy with the id."""
    if unit.find(EscalationPolicy, policy_id) is None:
        message = f"there is no escalation policy with the id {policy_id}"
        raise impossible(pointer, message, "unknown_escalation_policy")


def policy_now(unit: Unit, policy_id: str) -> dict[str, Any] | None:
    """A policy as it is now, for an incident that begins. None: it was deleted."""
    row = unit.find(EscalationPolicy, policy_id)
    if row is None:
        return None
    return {
        "id": row.id,
        "version": row.version,
        "name": row.name,
        "steps": row.steps,
        "repeat": row.repeat,
        "ack_timeout_s": row.ack_timeout_s,
    }
