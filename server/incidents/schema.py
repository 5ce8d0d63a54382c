"""Request and response models of incidents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasPath, Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Listed,
    Name,
    PolicyId,
    ResponseModel,
    Timestamp,
    example,
)
from novaql.server.incidents.model import MOST_ALERTS, EntryType
from novaql.server.incidents.tables import Incident

Severity = Literal["sev1", "sev2", "sev3", "sev4", "sev5"]
StatusName = Literal["triggered", "acknowledged", "resolved"]
Words = Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"\S")]
ServiceNames = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=63)]],
    Field(
        max_length=50,
        description="affected services: names of the catalog; empty while unknown",
    ),
]
UserIds = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=50)]


class CreateIncident(Body):
    """A new incident."""

    model_config = example(
        {
            "title": "checkout answers with errors",
            "severity": "sev2",
            "services": ["checkout"],
            "description": "a third of the orders fail since the last release",
        }
    )

    title: Name
    severity: Severity = Field(description="sev1 is the worst")
    services: ServiceNames
    description: Annotated[str, Field(max_length=10_000)] = ""
    dedup_key: Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S")] | None = Field(
        None,
        description="while an incident with this key is open, the request adds an entry to its "
        "timeline and changes nothing else of it",
    )
    escalation_policy_id: PolicyId | None = Field(
        None,
        description="the escalation policy that pages for it, as it is now; an unknown id is a 422",
    )
    assignees: UserIds = Field(default_factory=list, description="ids of users")


class ResolveIncident(Body):
    """The note of a resolution."""

    model_config = example({"note": "rolled back to 2026-03-30"})

    note: Words


class AddComment(Body):
    """The text of a comment."""

    model_config = example({"body": "the errors began with the release of 14:05"})

    body: Words


class IncidentQuery(PageQuery):
    """Filters of the list."""

    status: list[Literal["triggered", "acknowledged", "resolved", "open"]] | None = Field(
        None, max_length=10, description="`open`: not resolved. Repeat it for several"
    )
    severity: Severity | None = Field(None, description="sev1 is the worst")
    service: str | None = Field(
        None, min_length=1, max_length=200, description="any of the affected services"
    )


class TimelineQuery(PageQuery):
    """The page of the timeline, oldest entry first."""


class ActorOut(ResponseModel):
    """The author of a change: a `user`, or the `system`."""

    type: str
    id: str
    name: str


class AcknowledgerOut(ResponseModel):
    """A user that has acknowledged the incident."""

    id: str = Field(validation_alias="user_id")
    name: str
    at: Timestamp


class IncidentOut(ResponseModel):
    """An incident."""

    id: str
    title: str
    description: str
    severity: Severity
    status: StatusName
    services: list[str]
    dedup_key: str | None
    escalation_policy_id: str | None
    assignees: list[str] = Field(description="ids of users")
    alerts: list[str] = Field(
        description=f"ids of the alerts that are or were part of it, the first {MOST_ALERTS}"
    )
    alert_count: int = Field(description="how many those are in all")
    triggers: int = Field(description="how often it was triggered")
    created_by: ActorOut
    acknowledged_by: list[AcknowledgerOut] = Field(description="the first first")
    acknowledged_at: Timestamp | None
    resolved_by: ActorOut | None
    resolved_at: Timestamp | None
    resolution_note: str | None
    related_to: str | None = Field(description="the incident that had this dedup key before")
    flags: list[str] = Field(
        description="what went wrong with its escalation: `schedule_gap`, `page_skipped`, "
        "`no_contact_method`, `not_escalated`, `escalation_exhausted`"
    )
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, incident: Incident) -> IncidentOut:
        """The response model of an incident, whose services, alerts and acknowledgers a unit loads
        once."""
        alerts = incident.first_alerts if incident.alert_count else []
        parts = {
            "services": [row.service for row in incident.services],
            "alerts": [row.alert_id for row in alerts],
            "acknowledged_by": incident.acknowledgers,
        }
        columns = {name: getattr(incident, name) for name in cls.model_fields.keys() - parts}
        return cls.model_validate(columns | parts)


class IncidentsOut(Listed[IncidentOut]):
    """A page of incidents."""


class TimelineEntryOut(ResponseModel):
    """An entry of a timeline. `data` depends on the type."""

    seq: int = Field(description="from 1, without gaps: the order of the timeline")
    at: Timestamp
    type: EntryType
    actor: ActorOut
    data: dict[str, Any]


class TimelineOut(Listed[TimelineEntryOut]):
    """A page of a timeline."""


class CommentOut(ResponseModel):
    """A comment. `seq` is the number of its entry in the timeline."""

    id: str = Field(validation_alias=AliasPath("data", "id"))
    incident_id: str
    seq: int
    body: str = Field(validation_alias=AliasPath("data", "body"))
    author: ActorOut = Field(validation_alias="actor")
    created_at: Timestamp = Field(validation_alias="at")
    updated_at: Timestamp = Field(
        validation_alias="at", description="as `created_at`: comments are never changed"
    )
