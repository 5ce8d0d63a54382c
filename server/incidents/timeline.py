"""Writing the timeline of an incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.server.db.unit import Actor, Unit
from novaql.server.incidents.model import EntryType
from novaql.server.incidents.tables import Entry, Incident


def is_full(unit: Unit, incident: Incident) -> bool:
    """Whether the timeline has as many entries as it may have.

    Then what repeats (triggers under the same key, alerts that end) is counted without an entry of
    its own, and comments are refused. The states of an incident are always entered.
    """
    return 0 < unit.settings.max_incident_entries <= incident.entries


def append(unit: Unit, incident: Incident, type_: EntryType, data: Mapping[str, Any]) -> Entry:
    """The next entry. The caller holds the incident's row, so that no number is used twice."""
    incident.entries += 1
    entry = Entry(
        incident_id=incident.id,
        seq=incident.entries,
        at=unit.now(),
        type=type_.value,
        actor=actor_of(unit.actor),
        data=dict(data),
    )
    unit.session.add(entry)
    return entry


def actor_of(actor: Actor) -> dict[str, Any]:
    """Who acts, as rows and answers have it."""
    return {"type": actor.type, "id": actor.id, "name": actor.name}
