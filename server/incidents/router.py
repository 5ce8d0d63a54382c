"""/v1/incidents."""

from __future__ import annotations

from novaql.server.incidents import service as incidents
from novaql.server.incidents.schema import (
    AddComment,
    CommentOut,
    CreateIncident,
    EntryOut,
    IncidentOut,
    IncidentQuery,
    IncidentsOut,
    ResolveIncident,
    TimelineOut,
    TimelineQuery,
)
from novaql.server.incidents.showing import shown, shown_one
from novaql.server.incidents.tables import Incident
from novaql.server.platform.answering import Shown
from novaql.server.platform.calls import Answer, Call, created, listed, ok, operation
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.scopes import Role


def list_incidents(call: Call) -> Answer:
    """Incidents, the newest first: `status=open` for those that are not resolved."""
    page = incidents.find(call, call.query(IncidentQuery))
    return Answer(200, Shown(shown(call, page.rows), page.next_cursor))


def create_incident(call: Call) -> Answer:
    """Open an incident: 201; or 200 with the open one that has the same dedup key.

    That one's timeline gets an entry, and nothing else of it changes. The key of an incident that
    is resolved opens a new one, with `related_to` naming the old. A service that is not in the
    catalog, or an assignee who is no user, is a 422.
    """
    incident, new = incidents.create(call, call.body(CreateIncident))
    found = shown_one(call, incident)
    return created(found, f"/v1/incidents/{incident.id}") if new else ok(found)


def get_incident(call: Call) -> Answer:
    """One incident."""
    return ok(shown_one(call, call.get(Incident, call.name("id"), "incident")))


def acknowledge_incident(call: Call) -> Answer:
    """Take an incident on. Others may join; again changes nothing. 409 if it is resolved."""
    return ok(shown_one(call, incidents.acknowledge_incident(call, call.name("id"))))


def resolve_incident(call: Call) -> Answer:
    """End an incident, with a note that says how. 409 if it is resolved already."""
    incident = call.get(Incident, call.name("id"), "incident", lock=True)
    incidents.resolve_incident(call, incident, call.body(ResolveIncident).note)
    return ok(shown_one(call, incident))


def comment_on_incident(call: Call) -> Answer:
    """Add a comment to the timeline, in any state."""
    entry = incidents.comment(call, call.name("id"), call.body(AddComment).body)
    return created(CommentOut.of(entry))


def incident_timeline(call: Call) -> Answer:
    """Everything that happened, in its order: entries are numbered, and never changed.

    `data` of `triggered` is what the trigger said; of `resolved` the `note`; of `comment` its `id`
    and `body`; of `alerts_ended` which `alerts` ended.
    """
    return listed(incidents.timeline(call, call.name("id")), EntryOut.of)


_EXAMPLE = {
    "title": "checkout answers with errors",
    "severity": "sev2",
    "services": ["checkout"],
    "description": "a third of the orders fail since the last release",
}

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/incidents",
        list_incidents,
        role=Role.READ_ONLY,
        tag="incidents",
        query=IncidentQuery,
        answer=IncidentsOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/incidents",
        create_incident,
        role=Role.OPERATOR,
        tag="incidents",
        action="incident.create",
        body=CreateIncident,
        answer=IncidentOut,
        success=201,
        answers={200: IncidentOut},
        example=_EXAMPLE,
    ),
    operation(
        "GET",
        "/v1/incidents/{id}",
        get_incident,
        role=Role.READ_ONLY,
        tag="incidents",
        answer=IncidentOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/incidents/{id}/ack",
        acknowledge_incident,
        role=Role.OPERATOR,
        tag="incidents",
        action="incident.ack",
        answer=IncidentOut,
    ),
    operation(
        "POST",
        "/v1/incidents/{id}/resolve",
        resolve_incident,
        role=Role.OPERATOR,
        tag="incidents",
        action="incident.resolve",
        body=ResolveIncident,
        answer=IncidentOut,
        example={"note": "rolled back to 2026-03-30"},
    ),
    operation(
        "POST",
        "/v1/incidents/{id}/comments",
        comment_on_incident,
        role=Role.OPERATOR,
        tag="incidents",
        action="incident.comment",
        body=AddComment,
        answer=CommentOut,
        success=201,
        example={"body": "the errors began with the release of 14:05"},
    ),
    operation(
        "GET",
        "/v1/incidents/{id}/timeline",
        incident_timeline,
        role=Role.READ_ONLY,
        tag="incidents",
        query=TimelineQuery,
        answer=TimelineOut,
        steady=True,
    ),
)
