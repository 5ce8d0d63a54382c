"""Use cases of incidents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from novaql.server.catalog.lookup import services_held
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit, too_many
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, impossible
from novaql.server.escalation_model.lookup import check_policy, policy_now
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.ids import new_id
from novaql.server.incidents.model import EntryType, Status
from novaql.server.incidents.schema import CreateIncident, IncidentOut, IncidentQuery, TimelineQuery
from novaql.server.incidents.tables import Acknowledger, Entry, Incident, IncidentService
from novaql.server.incidents.timeline import append, is_full

KEYS = (Key(Incident.created_at, descending=True), Key(Incident.id, descending=True))
ENTRY_KEYS = (Key(Entry.seq),)
_WITH_PARTS = (
    selectinload(Incident.services),
    selectinload(Incident.acknowledgers),
    selectinload(Incident.first_alerts),
)
_ENTRY = {"title", "severity", "services", "description", "assignees"}
OPEN = "open"
TRIES = 10
"""Attempts to find or create an incident: one with the same key may resolve or start meanwhile."""


def find(unit: Unit, pages: Pager, query: IncidentQuery) -> Page[Incident]:
    """A page of incidents, newest first."""
    statement = select(Incident).options(*_WITH_PARTS)
    statement = statement.where(*equal_to(Incident, query, "severity"))
    wanted = set(query.status or ())
    if OPEN not in wanted:
        statement = statement.where(Incident.status.in_(sorted(wanted))) if wanted else statement
    elif Status.RESOLVED.value not in wanted:
        statement = statement.where(Incident.status != Status.RESOLVED.value)
    if query.service is not None:
        affects = IncidentService.incident_id == Incident.id
        statement = statement.join(IncidentService, affects).where(
            IncidentService.service == query.service
        )
    return pages.page(unit, statement, KEYS, query)


def create(unit: Unit, body: CreateIncident) -> tuple[Incident, bool]:
    """Create an incident, or trigger the open one with its key. True if it is new.

    Raises `Impossible`: `unknown_service` for a name that is not in the catalog, `unknown_user` for
    an assignee that is unknown or deactivated.
    """
    _refuse_unknown(unit, body)
    if held_open(unit, body.dedup_key) is None:
        check_open_incidents(unit)
    return trigger(unit, body)


def check_open_incidents(unit: Unit) -> None:
    """Raise `Conflict` `limit_reached` if the tenant is at its limit of open incidents."""
    check_limit(unit, "max_open_incidents", Incident, Incident.status != Status.RESOLVED.value)


def trigger(
    unit: Unit, given: CreateIncident, source: Mapping[str, Any] | None = None
) -> tuple[Incident, bool]:
    """Create an incident or trigger the open one, atomically for each key. Names are checked.

    source  further data for the entry in the timeline
    """
    unique = {name: list(dict.fromkeys(getattr(given, name))) for name in ("services", "assignees")}
    given = given.model_copy(update=unique)
    content = given.model_dump(include=_ENTRY)
    entry_data = {**(source or {}), **content}
    taken = Conflict("incidents with this key come and go too fast", code="dedup_key_busy")
    for _ in range(TRIES):
        known = held_open(unit, given.dedup_key)
        if known is not None:
            return _again(unit, known, entry_data), False
        try:
            return _begin(unit, given, entry_data, taken), True
        except Conflict as problem:
            if problem is not taken:
                raise
    raise taken


def acknowledge_incident(unit: Unit, incident_id: str) -> Incident:
    """Acknowledge an incident as the current user. Raises `Conflict` `incident_resolved`."""
    incident = unit.get(Incident, incident_id, "incident", lock=True)
    _refuse_resolved(incident)
    user = unit.actor
    before = snapshot(incident)
    first = incident.status == Status.TRIGGERED.value
    if not first and any(one.user_id == user.id for one in incident.acknowledgers):
        unit.audit("incident.ack", ("incident", incident.id), before=before, after=before)
        return incident
    what = EntryType.ACKNOWLEDGED if first else EntryType.ACKNOWLEDGER_ADDED
    entry = append(unit, incident, what, {})
    incident.acknowledgers.append(
        Acknowledger(user_id=user.id, name=user.name, seq=entry.seq, at=entry.at)
    )
    event = "incident.acknowledger_added"
    if first:
        incident.status, incident.acknowledged_at = Status.ACKNOWLEDGED.value, unit.now()
        event = "incident.acknowledged"
    unit.record(incident, "incident.ack", before, snapshot, event=event)
    return incident


def resolve_incident(unit: Unit, incident: Incident, note: str) -> Incident:
    """Resolve an incident. The caller has locked its row. Raises `Conflict` `incident_resolved`."""
    _refuse_resolved(incident)
    before = snapshot(incident)
    incident.status = Status.RESOLVED.value
    incident.resolved_at, incident.resolved_by = unit.now(), asdict(unit.actor)
    incident.resolution_note = note
    append(unit, incident, EntryType.RESOLVED, {"note": note})
    unit.record(incident, "incident.resolve", before, snapshot, event="incident.resolved")
    return incident


def expire_acknowledgement(unit: Unit, incident: Incident) -> None:
    """Return an acknowledged incident to triggered. The caller has locked its row."""
    before = snapshot(incident)
    names = [one.name for one in incident.acknowledgers]
    for one in incident.acknowledgers:
        unit.session.delete(one)
    unit.session.flush()
    unit.session.expire(incident, ["acknowledgers"])
    incident.status, incident.acknowledged_at = Status.TRIGGERED.value, None
    entry = append(unit, incident, EntryType.ACK_EXPIRED, {"acknowledged_by": names})
    event, more = "incident.ack_expired", {"seq": entry.seq}
    unit.record(incident, "incident.ack_expire", before, snapshot, event=event, more=more)


def flag(unit: Unit, incident: Incident, name: str) -> None:
    """Flag an incident. The caller has locked its row."""
    if name not in incident.flags:
        incident.flags = sorted({*incident.flags, name})
        unit.touch(incident)


def comment(unit: Unit, incident_id: str, body: str) -> Entry:
    """Add a comment, in any state. Raises `Conflict` `limit_reached` if the timeline is full."""
    incident = unit.get(Incident, incident_id, "incident", lock=True)
    if is_full(unit, incident):
        raise too_many(unit, "max_incident_entries")
    entry = append(unit, incident, EntryType.COMMENT, {"id": new_id("cmt"), "body": body})
    entry_data = {"seq": entry.seq, **entry.data}
    event = ("incident.comment", {"incident": snapshot(incident), "comment": entry_data})
    unit.audit("incident.comment", ("incident", incident.id), after=entry_data, event=event)
    return entry


def timeline(unit: Unit, pages: Pager, incident_id: str, query: TimelineQuery) -> Page[Entry]:
    """A page of the timeline, oldest entry first."""
    unit.get(Incident, incident_id, "incident")
    statement = select(Entry).where(Entry.incident_id == incident_id)
    return pages.page(unit, statement, ENTRY_KEYS, query)


def held_open(unit: Unit, key: str | None) -> Incident | None:
    """Lock and return the open incident with a key."""
    if key is None:
        return None
    statement = select(Incident).where(
        Incident.dedup_key == key, Incident.status != Status.RESOLVED.value
    )
    return unit.session.execute(statement.with_for_update()).scalar_one_or_none()


def snapshot(incident: Incident) -> dict[str, Any]:
    """An incident as the audit log and events contain it."""
    return IncidentOut.of(incident).model_dump(mode="json")


def _again(unit: Unit, incident: Incident, entry_data: Mapping[str, Any]) -> Incident:
    before = snapshot(incident)
    incident.triggers += 1
    if not is_full(unit, incident):
        append(unit, incident, EntryType.TRIGGERED, entry_data)
    unit.record(incident, "incident.trigger", before, snapshot)
    return incident


def _begin(
    unit: Unit, given: CreateIncident, entry_data: Mapping[str, Any], taken: Conflict
) -> Incident:
    incident = unit.new(
        Incident,
        "inc",
        **given.model_dump(exclude={"services"}),
        status=Status.TRIGGERED.value,
        related_to=_last_with(unit, given.dedup_key),
        triggers=1,
        entries=0,
        alert_count=0,
        flags=[],
        created_by=asdict(unit.actor),
        acknowledgers=[],
    )
    incident.services = [
        IncidentService(service=name, position=position, created_at=incident.created_at)
        for position, name in enumerate(given.services)
    ]
    with flushed_or(unit.session, taken):
        unit.session.add(incident)
    append(unit, incident, EntryType.TRIGGERED, entry_data)
    policy_id = incident.escalation_policy_id
    more = {} if policy_id is None else {"escalation_policy": policy_now(unit, policy_id)}
    unit.record(incident, "incident.create", None, snapshot, event="incident.created", more=more)
    return incident


def _last_with(unit: Unit, key: str | None) -> str | None:
    """The id of the newest incident with a key."""
    if key is None:
        return None
    statement = select(Incident.id).where(Incident.dedup_key == key)
    newest = statement.order_by(Incident.created_at.desc(), Incident.id.desc()).limit(1)
    return unit.session.execute(newest).scalar_one_or_none()


def _refuse_unknown(unit: Unit, body: CreateIncident) -> None:
    if body.escalation_policy_id is not None:
        check_policy(unit, body.escalation_policy_id, "/escalation_policy_id")
    there = services_held(unit, body.services)
    for number, name in enumerate(body.services):
        if name not in there:
            raise impossible(
                f"/services/{number}",
                f"no service of the catalog is named {name}",
                "unknown_service",
            )
    wanted = select(User.id).where(User.id.in_(body.assignees), User.status != "deactivated")
    people = set(unit.session.execute(wanted).scalars()) if body.assignees else set()
    for number, user_id in enumerate(body.assignees):
        if user_id not in people:
            raise impossible(
                f"/assignees/{number}", f"no user who can act has the id {user_id}", "unknown_user"
            )


def _refuse_resolved(incident: Incident) -> None:
    if incident.status == Status.RESOLVED.value:
        raise Conflict(f"incident {incident.id} is resolved", code="incident_resolved")
