"""Use cases of incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from novaql.server.catalog.lookup import check_policy, services_held
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import User
from novaql.server.db.tenant_limits import check_limit, too_many
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, Detail, Impossible
from novaql.server.http.pages import Pager
from novaql.server.http.pagination import Key, Page
from novaql.server.ids import new_id
from novaql.server.incidents.model import EntryType, IncidentResolved, Status, acknowledge, resolve
from novaql.server.incidents.schema import CreateIncident, IncidentQuery, TimelineQuery
from novaql.server.incidents.showing import snapshot
from novaql.server.incidents.tables import Acknowledger, Entry, Incident, IncidentService
from novaql.server.incidents.timeline import actor_of, append, is_full

KEYS = (Key(Incident.created_at, descending=True), Key(Incident.id, descending=True))
ENTRY_KEYS = (Key(Entry.seq),)
_WITH_PARTS = (
    selectinload(Incident.services),
    selectinload(Incident.acknowledgers),
    selectinload(Incident.first_alerts),
)
OPEN = "open"
TRIES = 10
"""Attempts to find or create an incident: one with the same key may resolve or start meanwhile."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """The content of a new incident, or of a further entry of the open one with its key.

    source  further data for the timeline
    """

    title: str
    severity: str
    services: Sequence[str]
    description: str = ""
    dedup_key: str | None = None
    escalation_policy_id: str | None = None
    assignees: Sequence[str] = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    def entry_data(self) -> dict[str, Any]:
        """The `data` of its timeline entry."""
        return {
            **self.source,
            "title": self.title,
            "severity": self.severity,
            "services": list(self.services),
            "description": self.description,
            "assignees": list(self.assignees),
        }


def find(unit: Unit, pages: Pager, query: IncidentQuery) -> Page[Incident]:
    """A page of incidents, newest first."""
    statement = select(Incident).options(*_WITH_PARTS)
    if query.status == OPEN:
        statement = statement.where(Incident.status != Status.RESOLVED.value)
    elif query.status is not None:
        statement = statement.where(Incident.status == query.status)
    if query.severity is not None:
        statement = statement.where(Incident.severity == query.severity)
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
    services = list(dict.fromkeys(body.services))
    assignees = list(dict.fromkeys(body.assignees))
    _refuse_unknown(unit, body)
    if held_open(unit, body.dedup_key) is None:
        check_open_incidents(unit)
    return trigger(
        unit,
        Trigger(
            title=body.title,
            severity=body.severity,
            services=services,
            description=body.description,
            dedup_key=body.dedup_key,
            escalation_policy_id=body.escalation_policy_id,
            assignees=assignees,
        ),
    )


def check_open_incidents(unit: Unit) -> None:
    """Raise `Conflict` `limit_reached` if the tenant is at its limit of open incidents."""
    check_limit(unit, "max_open_incidents", Incident, Incident.status != Status.RESOLVED.value)


def trigger(unit: Unit, given: Trigger) -> tuple[Incident, bool]:
    """Create an incident or trigger the open one, atomically for each key. Names are checked."""
    taken = Conflict("incidents with this key come and go too fast", code="dedup_key_busy")
    for _ in range(TRIES):
        known = held_open(unit, given.dedup_key)
        if known is not None:
            return _again(unit, known, given), False
        try:
            return _begin(unit, given, taken), True
        except Conflict as problem:
            if problem is not taken:
                raise
    raise taken


def acknowledge_incident(unit: Unit, incident_id: str) -> Incident:
    """Acknowledge an incident as the current user. Raises `Conflict` `incident_resolved`."""
    incident = unit.get(Incident, incident_id, "incident", lock=True)
    user = unit.actor
    before = snapshot(incident)
    again = any(one.user_id == user.id for one in incident.acknowledgers)
    try:
        what = acknowledge(Status(incident.status), again=again)
    except IncidentResolved:
        raise _over(incident) from None
    if what is None:
        unit.audit("incident.ack", ("incident", incident.id), before=before, after=before)
        return incident
    entry = append(unit, incident, what, {})
    incident.acknowledgers.append(
        Acknowledger(user_id=user.id, name=user.name, seq=entry.seq, at=entry.at)
    )
    event = None
    if what is EntryType.ACKNOWLEDGED:
        incident.status, incident.acknowledged_at = Status.ACKNOWLEDGED.value, unit.now()
        event = "incident.acknowledged"
    unit.record(incident, "incident.ack", before, snapshot, event=event)
    return incident


def resolve_incident(unit: Unit, incident: Incident, note: str) -> Incident:
    """Resolve an incident. The caller has locked its row. Raises `Conflict` `incident_resolved`."""
    before = snapshot(incident)
    try:
        incident.status = resolve(Status(incident.status)).value
    except IncidentResolved:
        raise _over(incident) from None
    incident.resolved_at, incident.resolved_by = unit.now(), actor_of(unit.actor)
    incident.resolution_note = note
    append(unit, incident, EntryType.RESOLVED, {"note": note})
    unit.record(incident, "incident.resolve", before, snapshot, event="incident.resolved")
    return incident


def comment(unit: Unit, incident_id: str, body: str) -> Entry:
    """Add a comment, in any state. Raises `Conflict` `limit_reached` if the timeline is full."""
    incident = unit.get(Incident, incident_id, "incident", lock=True)
    if is_full(unit, incident):
        raise too_many(unit, "max_incident_entries")
    entry = append(unit, incident, EntryType.COMMENT, {"id": new_id("cmt"), "body": body})
    entry_data = {"seq": entry.seq, **entry.data}
    unit.audit("incident.comment", ("incident", incident.id), after=entry_data)
    unit.publish("incident.comment", {"incident": snapshot(incident), "comment": entry_data})
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


def _again(unit: Unit, incident: Incident, given: Trigger) -> Incident:
    before = snapshot(incident)
    incident.triggers += 1
    if not is_full(unit, incident):
        append(unit, incident, EntryType.TRIGGERED, given.entry_data())
    unit.record(incident, "incident.trigger", before, snapshot)
    return incident


def _begin(unit: Unit, given: Trigger, taken: Conflict) -> Incident:
    now = unit.now()
    incident = Incident(
        id=new_id("inc"),
        created_at=now,
        updated_at=now,
        version=1,
        title=given.title,
        description=given.description,
        severity=given.severity,
        status=Status.TRIGGERED.value,
        dedup_key=given.dedup_key,
        escalation_policy_id=given.escalation_policy_id,
        related_to=_last_with(unit, given.dedup_key),
        assignees=list(given.assignees),
        triggers=1,
        entries=0,
        alert_count=0,
        created_by=actor_of(unit.actor),
        services=[
            IncidentService(service=name, position=position, created_at=now)
            for position, name in enumerate(given.services)
        ],
        acknowledgers=[],
    )
    with flushed_or(unit.session, taken):
        unit.session.add(incident)
    append(unit, incident, EntryType.TRIGGERED, given.entry_data())
    unit.record(incident, "incident.create", None, snapshot, event="incident.created")
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
        check_policy(body.escalation_policy_id, "/escalation_policy_id")
    there = services_held(unit, body.services)
    for number, name in enumerate(body.services):
        if name not in there:
            raise _impossible(
                f"/services/{number}",
                f"no service of the catalog is named {name}",
                "unknown_service",
            )
    wanted = select(User.id).where(User.id.in_(body.assignees), User.status != "deactivated")
    people = set(unit.session.execute(wanted).scalars()) if body.assignees else set()
    for number, user_id in enumerate(body.assignees):
        if user_id not in people:
            raise _impossible(
                f"/assignees/{number}", f"no user who can act has the id {user_id}", "unknown_user"
            )


def _impossible(pointer: str, message: str, code: str) -> Impossible:
    return Impossible(f"{pointer}: {message}", code=code, details=[Detail(pointer, message)])


def _over(incident: Incident) -> Conflict:
    return Conflict(f"incident {incident.id} is resolved", code="incident_resolved")
