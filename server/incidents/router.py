"""/v1/incidents."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from novaql.server.http.dependencies import OPERATOR, READ_ONLY, Pages, ResourceId, UnitOfWork
from novaql.server.http.event_stream import MEDIA as EVENT_STREAM
from novaql.server.http.routing import api_router, audited, cached, streamed
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
from novaql.server.incidents.stream import stream_timeline
from novaql.server.incidents.tables import Incident

router = api_router("/v1/incidents", "incidents")


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_incidents(
    unit: UnitOfWork, pages: Pages, query: Annotated[IncidentQuery, Query()]
) -> IncidentsOut:
    """Incidents, newest first. `status=open` selects those that are not resolved."""
    return IncidentsOut.of(incidents.find(unit, pages, query), IncidentOut.of)


@router.post("", status_code=201, dependencies=[OPERATOR], responses={200: {"model": IncidentOut}})
@audited("incident.create")
def create_incident(unit: UnitOfWork, body: CreateIncident, response: Response) -> IncidentOut:
    """Open an incident, or trigger the open one with the same dedup key.

    201 for a new incident; 200 for an open one, which changes only by an entry in its timeline.
    If the incident with the key is resolved, the new one names it in `related_to`. A service that
    is not in the catalog is a 422, and so is an assignee that is unknown or deactivated.
    """
    incident, new = incidents.create(unit, body)
    if new:
        response.headers["Location"] = f"/v1/incidents/{incident.id}"
    else:
        response.status_code = 200
    return IncidentOut.of(incident)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_incident(unit: UnitOfWork, id: ResourceId) -> IncidentOut:
    """One incident."""
    return IncidentOut.of(unit.get(Incident, id, "incident"))


@router.post("/{id}/ack", dependencies=[OPERATOR])
@audited("incident.ack")
def acknowledge_incident(unit: UnitOfWork, id: ResourceId) -> IncidentOut:
    """Acknowledge an incident.

    Further users may acknowledge it too; a second call of a user changes nothing. 409 if it is
    resolved.
    """
    return IncidentOut.of(incidents.acknowledge_incident(unit, id))


@router.post("/{id}/resolve", dependencies=[OPERATOR])
@audited("incident.resolve")
def resolve_incident(unit: UnitOfWork, id: ResourceId, body: ResolveIncident) -> IncidentOut:
    """Resolve an incident, with a note. 409 if it is resolved already."""
    incident = unit.get(Incident, id, "incident", lock=True)
    incidents.resolve_incident(unit, incident, body.note)
    return IncidentOut.of(incident)


@router.post("/{id}/comments", status_code=201, dependencies=[OPERATOR])
@audited("incident.comment")
def comment_on_incident(unit: UnitOfWork, id: ResourceId, body: AddComment) -> CommentOut:
    """Add a comment to the timeline of an incident, in any state."""
    return CommentOut.model_validate(incidents.comment(unit, id, body.body))


@router.get(
    "/{id}/timeline",
    dependencies=[READ_ONLY],
    responses={200: {"content": {EVENT_STREAM: {}}}},
)
@cached(by="rows")
@streamed(stream_timeline)
def get_incident_timeline(
    unit: UnitOfWork, pages: Pages, id: ResourceId, query: Annotated[TimelineQuery, Query()]
) -> TimelineOut:
    """The timeline of an incident, in order. Entries are numbered and immutable.

    `data` depends on the type: `triggered` has the content of the trigger, `resolved` the `note`,
    `comment` its `id` and `body`, `alerts_ended` the `alerts` that ended, `runbook` the `run_id`
    and the `change`. Entries of an escalation have its `cycle` and `step`, and in addition: `paged`
    the `pages`, `schedule_gap` the `schedule`, `page_skipped` the target and the `reason`.

    With `Accept: text/event-stream`, the answer is a stream of server-sent events, which continues
    with new entries: each entry is an event with its `seq` as `id`. `Last-Event-ID` resumes after
    an entry. The stream ends when its token is no longer valid, when the server stops, and when its
    client does not read. More streams of a tenant than `max_streams` are a 429.
    """
    page = incidents.timeline(unit, pages, id, query)
    return TimelineOut.of(page, TimelineEntryOut.model_validate)
