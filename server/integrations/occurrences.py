"""Incidents that other systems report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.server.catalog.lookup import services_held
from novaql.server.db.unit import Unit
from novaql.server.incidents.schema import CreateIncident
from novaql.server.incidents.service import (
    check_open_incidents,
    held_open,
    resolve_incident,
    trigger,
)
from novaql.server.integrations.provider import Occurrence

_LONGEST_KEY = 255


def report(
    unit: Unit, source: str, one: Occurrence, reporter: Mapping[str, Any], note: str
) -> str | None:
    """Trigger or resolve the incident of an occurrence. Return its id; None: there was none to
    resolve.

    source    the beginning of its key: keys of several sources do not collide
    reporter  for the timeline;  note: of a resolution
    """
    key = f"{source}:{one.dedup_key}"[:_LONGEST_KEY]
    known = held_open(unit, key)
    if one.resolve:
        return None if known is None else resolve_incident(unit, known, note).id
    if known is None:
        check_open_incidents(unit)
    there = services_held(unit, one.services)
    given = CreateIncident(
        title=one.title,
        severity=one.severity,  # type: ignore[arg-type]
        services=[name for name in one.services if name in there],
        description=one.description,
        dedup_key=key,
        escalation_policy_id=None,
    )
    unknown = [name for name in one.services if name not in there]
    return trigger(unit, given, {**reporter, "unknown_services": unknown})[0].id
