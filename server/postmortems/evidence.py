"""The evidence of a postmortem: facts with ids, which a draft cites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class IncidentFact:
    """The incident.

    entries     number of entries in its timeline
    started_at  when the condition of its first alert became true, if that is before its creation;
                otherwise its creation
    acknowledged_at  its first acknowledgement, also if it has expired since then
    """

    id: str
    title: str
    severity: str
    status: str
    services: Sequence[str]
    related_to: str | None
    entries: int
    alert_count: int
    created_at: datetime
    started_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryFact:
    """An entry of the timeline."""

    seq: int
    at: datetime
    type: str
    actor: Mapping[str, Any]
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        return f"timeline:{self.seq}"


@dataclass(frozen=True, slots=True)
class AlertFact:
    """An alert of the incident, with the rule that it belongs to.

    value         the value when it fired
    began_at      when its condition became true
    ended_at      None: it is still part of the incident
    expr          expression of the rule when the alert fired; None: the rule is deleted
    managed       what the rule belongs to: `slo:slo_…` for an objective; "": nothing, or the rule
                  is deleted
    expr_changed  the rule has changed since then, and the expression of that time is not recorded:
                  `expr` is the current one
    """

    alert_id: str
    rule_id: str
    name: str
    service: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: str
    began_at: datetime
    fired_at: datetime
    ended_at: datetime | None
    expr: str | None
    managed: str
    expr_changed: bool = False

    @property
    def id(self) -> str:
        return f"alert:{self.alert_id}"


@dataclass(frozen=True, slots=True)
class ServiceFact:
    """An affected service in the catalog. signals: names of signals → expressions."""

    name: str
    owner: str
    tier: str
    runbooks: Sequence[str]
    signals: Mapping[str, str]

    @property
    def id(self) -> str:
        return f"service:{self.name}"


@dataclass(frozen=True, slots=True)
class RelatedFact:
    """Something that happened around the start, besides the timeline and the alerts.

    kind   `change`: of a rule, an objective or a service; `deploy`: of an affected service;
           `runbook_run`
    key    id of the row that records it
    text   one sentence, without its time
    """

    kind: str
    key: str
    at: datetime
    text: str

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True, slots=True)
class Window:
    """The times of the queries, in milliseconds. `opened_ms`: the start of the incident."""

    start_ms: int
    opened_ms: int
    end_ms: int
    step_ms: int


@dataclass(frozen=True, slots=True)
class PlannedQuery:
    """A query to run. `subject` is what it measures; `cites` is the fact that names it."""

    number: int
    subject: str
    expr: str
    cites: str

    @property
    def id(self) -> str:
        return f"query:{self.number}"


@dataclass(frozen=True, slots=True)
class SeriesFact:
    """A series before and after the start: medians, and the extreme value after it.

    before, after, extreme   None without values
    direction  `rose`, `fell`, `appeared`, `disappeared`, or `unchanged`
    """

    labels: Mapping[str, str]
    before: float | None
    after: float | None
    extreme: float | None
    direction: str


@dataclass(frozen=True, slots=True)
class QueryFact:
    """A query that ran: its series, those that changed most first. `problem`: why it did not."""

    planned: PlannedQuery
    series: Sequence[SeriesFact]
    series_count: int
    problem: str | None = None

    @property
    def id(self) -> str:
        return self.planned.id


@dataclass(frozen=True, slots=True)
class Evidence:
    """All facts of one incident. `missing` lists the facts that could not be read."""

    incident: IncidentFact
    entries: Sequence[EntryFact]
    alerts: Sequence[AlertFact]
    services: Sequence[ServiceFact]
    related: Sequence[RelatedFact]
    queries: Sequence[QueryFact]
    window: Window
    missing: Sequence[str] = ()

    def ids(self) -> frozenset[str]:
        """The ids of all facts that a draft may cite."""
        facts: list[EntryFact | AlertFact | ServiceFact | RelatedFact | QueryFact]
        facts = [*self.entries, *self.alerts, *self.services, *self.related, *self.queries]
        return frozenset(fact.id for fact in facts)
