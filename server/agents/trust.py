"""The trust score of an agent in its row, and the entries of its ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from novaql.server.agents.model import Outcome, Tally, score_of
from novaql.server.agents.tables import Agent
from novaql.server.clock import from_ms, to_ms
from novaql.server.db.tenant_limits import too_many
from novaql.server.db.unit import Unit
from novaql.server.ledger.service import append, is_full


def tally_of(agent: Agent) -> Tally:
    """Return the weighted outcomes of an agent."""
    stored = dict(agent.tally)
    at = stored.pop("at", None)
    return Tally(**stored, at=None if at is None else from_ms(at))


def score_now(unit: Unit, agent: Agent) -> float:
    """Return the trust score of an agent at the time of the unit."""
    return score_of(tally_of(agent).decayed(unit.now(), half_life(unit)).shown())


def half_life(unit: Unit) -> timedelta:
    """Return the time in which the weight of an outcome halves."""
    return timedelta(seconds=unit.settings.agent_trust_half_life_s)


def count(unit: Unit, agent: Agent, outcome: Outcome) -> None:
    """Add an outcome. The caller has locked the agent's row.

    The version of the agent stays the same: outcomes do not change its configuration.
    """
    found = tally_of(agent).with_outcome(outcome, unit.now(), half_life(unit))
    assert found.at is not None
    agent.tally = {**asdict(found), "at": to_ms(found.at)}
    agent.totals = {**agent.totals, outcome.value: agent.totals[outcome.value] + 1}


def check_not_full(unit: Unit, agent: Agent) -> None:
    """Raise `Conflict` `limit_reached` if the ledger of an agent is at its limit of entries.

    What begins something new is then rejected; stops, decisions and ends are always recorded.
    """
    if is_full(unit, agent.id):
        raise too_many(unit, "max_ledger_entries")


def note(unit: Unit, agent: Agent, kind: str, data: Mapping[str, Any]) -> None:
    """Append an entry to the ledger of an agent, with its current trust score and threshold."""
    trust = {"score": score_now(unit, agent), "threshold": agent.policy["auto_approve_from"]}
    append(unit, agent.id, kind, {**data, "trust": trust})
