"""Request and response models of postmortems."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novaql.server.http.shapes import ResponseModel, Timestamp
from novaql.server.incidents.schema import Severity, StatusName, TimelineEntryOut

Ids = list[str]
CITED = "ids of items of this postmortem"


class StatementOut(ResponseModel):
    """A statement, and what it follows from."""

    text: str
    evidence: Ids = Field(description=CITED)


class RootCauseOut(StatementOut):
    """A root cause, as a person has stated it in the timeline."""

    confidence: Literal["stated"]


class ImpactOut(StatementOut):
    """The effects of the incident, and their duration."""

    severity: Severity
    services: list[str]
    alert_count: int
    started_at: Timestamp = Field(
        description="when the condition of the first alert became true, or of the incident"
    )
    resolved_at: Timestamp | None
    duration_s: float | None = Field(description="null while it is not resolved")


class CitedEntryOut(TimelineEntryOut):
    """An entry of the timeline."""

    id: str


class CitedAlertOut(ResponseModel):
    """An alert that was part of the incident."""

    id: str
    alert_id: str
    rule_id: str
    name: str
    service: str | None
    labels: dict[str, str]
    value: str = Field(description="when it fired")
    began_at: Timestamp = Field(description="when its condition became true")
    fired_at: Timestamp
    ended_at: Timestamp | None


class CitedServiceOut(ResponseModel):
    """An affected service of the catalog."""

    id: str
    name: str
    owner: str
    tier: str


class RelatedOut(ResponseModel):
    """Something that happened around the start, such as a change of a rule."""

    id: str
    kind: str
    at: Timestamp
    text: str


class MovedSeriesOut(ResponseModel):
    """A series before and from the start on."""

    labels: dict[str, str]
    before: float | None = Field(description="median of the values before the start")
    after: float | None = Field(description="median of the values from the start on")
    extreme: float | None = Field(description="the value from the start on that differs most")
    direction: Literal["rose", "fell", "appeared", "disappeared", "unchanged"]


class CitedQueryOut(ResponseModel):
    """A query over the samples around the start, which POST /v1/novaql repeats."""

    id: str
    subject: str
    query: str
    start: float = Field(description="Unix seconds")
    end: float = Field(description="Unix seconds")
    step: float = Field(description="seconds")
    series: list[MovedSeriesOut] = Field(description="at most five, those that moved most first")
    series_count: int
    problem: str | None = Field(description="why it has no result")


class PostmortemOut(ResponseModel):
    """The draft of a postmortem. Every statement names its evidence."""

    incident_id: str
    title: str
    incident_status: StatusName
    status: Literal["draft", "draft_incomplete"]
    missing: list[str] = Field(description="why the draft is incomplete; empty for `draft`")
    summary: str
    impact: ImpactOut
    root_cause: RootCauseOut | None = Field(
        description="what a comment or the resolution states as `root cause: …`; else null"
    )
    confidence: Literal["none", "stated"] = Field(description="of the root cause")
    contributing_factors: list[StatementOut]
    action_items: list[StatementOut]
    timeline: list[CitedEntryOut]
    alerts: list[CitedAlertOut]
    services: list[CitedServiceOut]
    related: list[RelatedOut]
    queries: list[CitedQueryOut]
