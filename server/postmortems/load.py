"""Reads the rows that are evidence of an incident."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.alert_model.tables import Alert, AlertChange, AlertRule
from novaql.server.catalog.tables import Service
from novaql.server.clock import to_ms
from novaql.server.db.unit import Unit
from novaql.server.incidents.model import MOST_ALERTS
from novaql.server.incidents.tables import Entry, Incident, IncidentAlert
from novaql.server.postmortems.evidence import (
    AlertFact,
    EntryFact,
    IncidentFact,
    PlannedQuery,
    RelatedFact,
    ServiceFact,
    Window,
)
from novaql.server.postmortems.sources import SOURCES, Scope, expression_at
from novaql.server.services.signals import configured
from novaql.server.settings import Settings

MOST_ENTRIES = 500
"""The most entries of a timeline in a draft: the first and the last ones."""
MOST_QUERIES = 40
MOST_RULES = 10
_EARLIER = timedelta(hours=1)
"""The longest time between the start of an alert and its incident."""
_MOST_CHANGES = 10_000
_STEP_MS = 60_000
_MOST_STEPS = 600


@dataclass(frozen=True, slots=True)
class _Episode:
    """When the condition of an alert became true, and when it fired, with its value then."""

    began_at: datetime
    fired_at: datetime
    value: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """All evidence but the results of the queries, which are still to run."""

    incident: IncidentFact
    entries: Sequence[EntryFact]
    alerts: Sequence[AlertFact]
    services: Sequence[ServiceFact]
    related: Sequence[RelatedFact]
    window: Window
    planned: Sequence[PlannedQuery]
    missing: Sequence[str]


def load(unit: Unit, incident_id: str) -> Loaded:
    """Load the evidence of an incident. Raises the 404."""
    incident = unit.get(Incident, incident_id, "incident")
    missing: list[str] = []
    entries = _entries(unit, incident, missing)
    alerts = _alerts(unit, incident, missing)
    names = [row.service for row in incident.services]
    statement = select(Service).where(Service.name.in_(names)).order_by(Service.name)
    services = unit.session.execute(statement).scalars().all()
    started_at = min([incident.created_at, *(alert.began_at for alert in alerts)])
    targets = {service.id: service.name for service in services}
    targets |= {alert.rule_id: alert.name for alert in alerts}
    managed = (alert.managed.partition("slo:")[2] for alert in alerts)
    targets |= {slo_id: slo_id for slo_id in managed if slo_id}
    scope = Scope(incident.id, names, targets, started_at, incident.resolved_at)
    related = [fact for source in SOURCES for fact in source(unit, scope)]
    shown = [
        ServiceFact(
            service.name,
            service.owner,
            service.tier,
            service.runbooks,
            {
                name: signal.expression_for(service.name)
                for name, signal in configured(service.signals).items()
            },
        )
        for service in services
    ]
    return Loaded(
        _fact_of(incident, names, started_at, entries),
        entries,
        alerts,
        shown,
        sorted(related, key=lambda fact: (fact.at, fact.id)),
        window_of(unit.settings, started_at, incident.resolved_at or entries[-1].at),
        planned(alerts, shown, missing),
        missing,
    )


def _fact_of(
    incident: Incident, services: Sequence[str], started_at: datetime, entries: Sequence[EntryFact]
) -> IncidentFact:
    return IncidentFact(
        incident.id,
        incident.title,
        incident.severity,
        incident.status,
        services,
        incident.related_to,
        incident.entries,
        incident.alert_count,
        incident.created_at,
        started_at,
        next((entry.at for entry in entries if entry.type == "acknowledged"), None),
        incident.resolved_at,
    )


def _entries(unit: Unit, incident: Incident, missing: list[str]) -> list[EntryFact]:
    half = MOST_ENTRIES // 2
    statement = (
        select(Entry)
        .where(Entry.incident_id == incident.id)
        .where(
            (Entry.seq <= half)
            | (Entry.seq > incident.entries - half)
            | Entry.type.in_(("acknowledged", "resolved"))
        )
        .order_by(Entry.seq)
    )
    if incident.entries > MOST_ENTRIES:
        missing.append(
            f"Entries {half + 1} to {incident.entries - half} of the timeline are not in the draft."
        )
    found = unit.session.execute(statement).scalars()
    return [EntryFact(row.seq, row.at, row.type, row.actor, row.data) for row in found]


def _alerts(unit: Unit, incident: Incident, missing: list[str]) -> list[AlertFact]:
    """The alerts of an incident, with the times and values of the episode that was part of it."""
    if not incident.alert_count:
        return []  # and do not read tables that each evaluation of a rule changes
    links = list(incident.first_alerts)
    if incident.alert_count > MOST_ALERTS:
        missing.append(f"{incident.alert_count - MOST_ALERTS} further alerts are not in the draft.")
    ids = [link.alert_id for link in links]
    alerts = {
        row.id: row
        for row in unit.session.execute(select(Alert).where(Alert.id.in_(ids))).scalars()
    }
    rule_ids = {alert.rule_id for alert in alerts.values()}
    found = unit.session.execute(select(AlertRule).where(AlertRule.id.in_(rule_ids))).scalars()
    rules = {rule.id: rule for rule in found}
    longest = max((rule.for_ms for rule in rules.values()), default=0)
    episodes = _episodes(unit, incident, ids, timedelta(milliseconds=longest))
    expressions: dict[tuple[str, datetime], tuple[str | None, bool]] = {}
    facts = []
    for link in links:
        alert, episode = alerts.get(link.alert_id), episodes.get(link.alert_id)
        if alert is not None and episode is not None:
            rule = rules.get(alert.rule_id)
            key = (alert.rule_id, episode.fired_at)
            if key not in expressions:
                expressions[key] = expression_at(unit, rule, episode.fired_at)
            facts.append(_alert_fact(link, alert, episode, rule, expressions[key]))
    if len(facts) < len(links):
        gone = len(links) - len(facts)
        missing.append(f"The history of {gone} alerts has been deleted after its retention.")
    return facts


def _alert_fact(
    link: IncidentAlert,
    alert: Alert,
    episode: _Episode,
    rule: AlertRule | None,
    expression: tuple[str | None, bool],
) -> AlertFact:
    expr, changed = expression
    return AlertFact(
        alert.id,
        alert.rule_id,
        alert.name,
        alert.service,
        alert.labels,
        alert.annotations,
        episode.value,
        episode.began_at,
        episode.fired_at,
        link.over_at,
        expr,
        "" if rule is None else rule.managed,
        changed,
    )


def _episodes(
    unit: Unit, incident: Incident, alert_ids: Sequence[str], longest: timedelta
) -> dict[str, _Episode]:
    """The first episode of each alert in an incident. Earlier and later ones belong to others.

    longest  how long a condition of the alerts may be true before they fire
    """
    statement = (
        select(AlertChange)
        .where(
            AlertChange.alert_id.in_(alert_ids),
            AlertChange.type.in_(("pending", "firing", "resolved", "inactive")),
            AlertChange.at >= incident.created_at - _EARLIER - longest,
            AlertChange.at <= (incident.resolved_at or unit.now()),
        )
        .order_by(AlertChange.at, AlertChange.id)
        .limit(_MOST_CHANGES)
    )
    pending: dict[str, datetime] = {}
    found: dict[str, _Episode] = {}
    over: dict[str, _Episode] = {}
    for change in unit.session.execute(statement).scalars():
        if change.type == "pending":
            pending[change.alert_id] = change.at
        elif change.type != "firing":
            pending.pop(change.alert_id, None)
            if change.at <= incident.created_at and change.alert_id in found:
                over[change.alert_id] = found.pop(change.alert_id)
        elif change.alert_id not in found:
            began_at = pending.get(change.alert_id, change.at)
            found[change.alert_id] = _Episode(began_at, change.at, change.value)
    return over | found  # one that was over when its event arrived has no other


def window_of(settings: Settings, started_at: datetime, last_at: datetime) -> Window:
    """The times of the queries: until the last event at most, so that new samples alone do not
    change a draft."""
    opened = to_ms(started_at)
    before, after = (
        round(seconds * 1000)
        for seconds in (settings.postmortem_before_s, settings.postmortem_after_s)
    )
    step = _STEP_MS * max(1, (before + after) // (_STEP_MS * _MOST_STEPS))
    start = opened - before // step * step  # a step is at the start of the incident
    return Window(start, opened, max(opened, min(opened + after, to_ms(last_at))), step)


def _subject(alert: AlertFact) -> str:
    if alert.expr_changed:
        return f"Current expression of alert {alert.name}, whose rule changed after it fired"
    return f"Expression of alert {alert.name}"


def planned(
    alerts: Sequence[AlertFact], services: Sequence[ServiceFact], missing: list[str]
) -> list[PlannedQuery]:
    """The expressions of the rules, then the signals of the services."""
    rules = {alert.rule_id: alert for alert in reversed(alerts) if alert.expr is not None}
    wanted = [
        (_subject(alert), alert.expr or "", alert.id)
        for _, alert in sorted(rules.items())[:MOST_RULES]
    ]
    wanted += [
        (f"{signal.capitalize()} of {service.name}", expr, service.id)
        for service in services
        for signal, expr in service.signals.items()
    ]
    left_out = max(0, len(wanted) - MOST_QUERIES) + max(0, len(rules) - MOST_RULES)
    if left_out > 0:
        missing.append(f"{left_out} queries of rules and signals did not run: they are too many.")
    return [
        PlannedQuery(number, subject, expr, cites)
        for number, (subject, expr, cites) in enumerate(wanted[:MOST_QUERIES], 1)
    ]
