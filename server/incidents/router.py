"""/v1/incidents."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from novaql.server.http.dependencies import OPERATOR, READ_ONLY, Pages, ResourceId, UnitOfWork
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.incidents import service as incidents
from novaql.server.incidents.schema import (
    AddComment,
    CommentOut,
    CreateIncident,
    IncidentOut,
    IncidentQuery,
    IncidentsOut,
    ResolveIncident,
    TimelineEntryOut,
    TimelineOut,
    TimelineQuery,
)
from novaql.server.incidents.showing import shown
from novaql.server.incidents.tables import Incident

router = api_router("/v1/incidents", "incidents")


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_incidents(
    unit: UnitOfWork, pages: Pages, query: Annotated[IncidentQuery, Query()]
) -> IncidentsOut:
    """Incidents, the newest first: `status=open` for those that are not resolved."""
    page = incidents.find(unit, pages, query)
    return IncidentsOut(data=[shown(one) for one in page.rows], next_cursor=page.next_cursor)


@router.post("", status_code=201, dependencies=[OPERATOR], responses={200: {"model": IncidentOut}})
@audited("incident.create")
def create_incident(unit: UnitOfWork, body: CreateIncident, response: Response) -> IncidentOut:
    """Open an incident: 201; or 200 with the open one that has the same dedup key.

    That one's timeline gets an entry, and nothing else of it changes. The key of an incident that
    is resolved opens a new one, with `related_to` naming the old. A service that is not in the
    catalog, or an assignee who is no user, is a 422.
    """
    incident, new = incidents.create(unit, body)
    if new:
        response.headers["Location"] = f"/v1/incidents/{incident.id}"
    else:
        response.status_code = 200
    return shown(incident)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_incident(unit: UnitOfWork, id: ResourceId) -> IncidentOut:
    """One incident."""
    return shown(unit.get(Incident, id, "incident"))


@router.post("/{id}/ack", dependencies=[OPERATOR])
@audited("incident.ack")
def acknowledge_incident(unit: UnitOfWork, id: ResourceId) -> IncidentOut:
    """Take an incident on. Others may join; again changes nothing. 409 if it is resolved."""
    return shown(incidents.acknowledge_incident(unit, id))


@router.post("/{id}/resolve", dependencies=[OPERATOR])
@audited("incident.resolve")
def resolve_incident(unit: UnitOfWork, id: ResourceId, body: ResolveIncident) -> IncidentOut:
    """End an incident, with a note that says how. 409 if it is resolved already."""
    incident = unit.get(Incident, id, "incident", lock=True)
    incidents.resolve_incident(unit, incident, body.note)
    return shown(incident)


@router.post("/{id}/comments", status_code=201, dependencies=[OPERATOR])
@audited("incident.comment")
def comment_on_incident(unit: UnitOfWork, id: ResourceId, body: AddComment) -> CommentOut:
    """Add a comment to the timeline, in any state."""
    return CommentOut.of(incidents.comment(unit, id, body.body))


@router.get("/{id}/timeline", dependencies=[READ_ONLY])
@cached(by="rows")
def get_incident_timeline(
    unit: UnitOfWork, pages: Pages, id: ResourceId, query: Annotated[TimelineQuery, Query()]
) -> TimelineOut:
    """Everything that happened, in its order: entries are numbered, and never changed.

    `data` of `triggered` is what the trigger said; of `resolved` the `note`; of `comment` its `id`
    and `body`; of `alerts_ended` which `alerts` ended.
    """
    page = incidents.timeline(unit, pages, id, query)
    shown_entries = [TimelineEntryOut.of(entry) for entry in page.rows]
    return TimelineOut(data=shown_entries, next_cursor=page.next_cursor)
