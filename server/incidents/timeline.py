"""Appends entries to the timeline of an incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from novaql.server.db.unit import Unit
from novaql.server.incidents.model import EntryType
from novaql.server.incidents.tables import Entry, Incident


def is_full(unit: Unit, incident: Incident) -> bool:
    """Whether the timeline is at its limit of entries.

    A full timeline rejects comments, and has no new entries for triggers with the same key and for
    alerts that end. It always records changes of the state.
    """
    return 0 < unit.settings.max_incident_entries <= incident.entries


def append(unit: Unit, incident: Incident, type_: EntryType, data: Mapping[str, Any]) -> Entry:
    """Append an entry. The caller has locked the incident's row, so that its number is unique."""
    incident.entries += 1
    entry = Entry(
        incident_id=incident.id,
        seq=incident.entries,
        at=unit.now(),
        type=type_.value,
        actor=asdict(unit.actor),
        data=dict(data),
    )
    unit.session.add(entry)
    return entry
