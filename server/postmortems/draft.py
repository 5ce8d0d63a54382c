"""Writes the draft of a postmortem. Pure functions of the evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from novaql.fast_dataclass import dataclass
from novaql.server.clock import rfc3339
from novaql.server.postmortems.evidence import AlertFact, EntryFact, Evidence, SeriesFact
from novaql.server.postmortems.movement import UNCHANGED
from novaql.tsdb import METRIC_NAME

_STATED = re.compile(r"^[ \t]*root[ -]cause[ \t]*[:=][ \t]*(\S.*)$", re.I | re.M)
_WORD = re.compile(r"[\w/]+")
_UNKNOWN = frozenset(
    (
        *("unknown", "unclear", "undetermined", "tbd", "tba", "todo", "n/a", "na", "n", "a"),
        *(
            "none",
            "nothing",
            "pending",
            "not",
            "known",
            "clear",
            "determined",
            "found",
            "identified",
        ),
        *("confirmed", "investigated", "investigating", "investigation", "under", "to", "be", "no"),
        *("idea", "we", "do", "don", "dont", "t", "know", "it", "is", "still", "yet", "so", "far"),
        *("at", "this", "the", "moment", "time", "for", "now", "currently", "being"),
    )
)
"""A text of only such words, or without words, does not count as a cause: `not known yet`, `TBD`,
`?`."""
_RUNBOOK = ("runbook_url", "runbook")
_SERIES_NAMED = 3


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, and the ids of the facts that it follows from."""

    text: str
    evidence: Sequence[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A postmortem. `missing`: what makes it incomplete."""

    summary: Statement
    impact: Statement
    root_cause: Statement | None
    contributing_factors: Sequence[Statement]
    action_items: Sequence[Statement]
    missing: Sequence[str]


def draft(evidence: Evidence, slow_ack: timedelta) -> Draft:
    """Write the draft of an incident.

    slow_ack  an incident without acknowledgement for longer leads to an action item
    """
    return Draft(
        _summary(evidence),
        _impact(evidence),
        _root_cause(evidence),
        tuple(_factors(evidence)),
        tuple(_action_items(evidence, slow_ack)),
        tuple(_missing(evidence)),
    )


def _summary(evidence: Evidence) -> Statement:
    incident = evidence.incident
    text = f"{incident.title} ({incident.severity}) began at {rfc3339(incident.started_at)}"
    if incident.resolved_at is None:
        text += f" and is {incident.status}."
    else:
        length = _length(incident.resolved_at - incident.started_at)
        text += f" and was resolved at {rfc3339(incident.resolved_at)}, after {length}."
    note = next((e.data.get("note") for e in evidence.entries if e.type == "resolved"), None)
    if note:
        text += f" Resolution: {_quoted(str(note))}"
    return Statement(text, _of_types(evidence, "triggered", "resolved"))


def _impact(evidence: Evidence) -> Statement:
    incident = evidence.incident
    services = ", ".join(incident.services)
    text = f"Services: {services}." if services else "No affected service is named."
    if incident.alert_count:
        text += f" Alerts: {incident.alert_count}."
    cited = [*_of_types(evidence, "triggered"), *(alert.id for alert in evidence.alerts)]
    return Statement(text, cited)


def _root_cause(evidence: Evidence) -> Statement | None:
    """The text that the last comment or resolution states as `root cause: …`; None without one, and
    if it states that the cause is not known."""
    for entry in reversed(evidence.entries):
        text = entry.data.get({"comment": "body", "resolved": "note"}.get(entry.type, ""))
        stated = _STATED.findall(text) if isinstance(text, str) else []
        if stated:
            cause = stated[-1].rstrip()
            known = set(_WORD.findall(cause.casefold())) - _UNKNOWN
            return Statement(cause, [entry.id]) if known else None
    return None


def _factors(evidence: Evidence) -> Iterator[Statement]:
    """Alerts, changes before the start, and measurements that moved at the start."""
    for alerts in _by_rule(evidence.alerts):
        first = min(alerts, key=lambda alert: (alert.fired_at, alert.id))
        some = "" if len(alerts) == 1 else f" ({len(alerts)} alerts)"
        yield Statement(
            f"Alert {first.name}{some} since {rfc3339(first.fired_at)}, value {first.value}.",
            [alert.id for alert in alerts],
        )
    for fact in evidence.related:
        if fact.kind == "runbook_run" and fact.at >= evidence.incident.started_at:
            continue  # a reaction to the disturbance
        yield Statement(f"At {rfc3339(fact.at)}: {fact.text}.", [fact.id])
    for query in evidence.queries:
        moved = [series for series in query.series if series.direction != UNCHANGED]
        if moved:
            shown = "; ".join(map(_moved, moved[:_SERIES_NAMED]))
            planned = query.planned
            yield Statement(f"{planned.subject}: {shown}.", [query.id, planned.cites])


def _action_items(evidence: Evidence, slow_ack: timedelta) -> Iterator[Statement]:
    for alerts in _by_rule(evidence.alerts):
        first, ids = alerts[0], [alert.id for alert in alerts]
        if not any(first.annotations.get(name) for name in _RUNBOOK):
            yield Statement(
                f"Write a runbook for alert {first.name}, and name it in its annotation "
                "runbook_url.",
                ids,
            )
        if first.managed.startswith("slo:"):
            objective = first.managed.removeprefix("slo:")
            yield Statement(f"Review the error budget of objective {objective}, which burned.", ids)
    known = {service.name: service for service in evidence.services}
    opened = _of_types(evidence, "triggered")[:1]
    for name in evidence.incident.services:
        service = known.get(name)
        if service is None:
            yield Statement(f"Add {name} to the catalog, with an owner.", opened)
        elif not service.runbooks:
            yield Statement(f"Name a runbook of service {name} in the catalog.", [service.id])
    yield from _slow_acknowledgement(evidence, slow_ack)
    if evidence.incident.related_to is not None:
        yield Statement(
            f"Compare with {evidence.incident.related_to}: the same disturbance occurred before.",
            opened,
        )


def _slow_acknowledgement(evidence: Evidence, slow_ack: timedelta) -> Iterator[Statement]:
    incident = evidence.incident
    ended = incident.acknowledged_at or incident.resolved_at
    if ended is None or ended - incident.created_at <= slow_ack:
        return
    waited = _length(ended - incident.created_at)
    last = "acknowledged" if incident.acknowledged_at is not None else "resolved"
    yield Statement(
        f"Find out why the incident was not acknowledged for {waited}.",
        [*_of_types(evidence, "triggered")[:1], *_of_types(evidence, last)[:1]],
    )


def _missing(evidence: Evidence) -> Iterator[str]:
    """The facts that are not known (yet)."""
    incident = evidence.incident
    if incident.resolved_at is None:
        yield "The incident is not resolved."
    yield from evidence.missing
    known = {service.name for service in evidence.services}
    for name in incident.services:
        if name not in known:
            yield f"Service {name} is not in the catalog, so its signals are unknown."
    for query in evidence.queries:
        if query.problem is not None:
            yield f"{query.id} ({query.planned.subject}) has no result: {query.problem}"
    for service in evidence.services:
        own = [q for q in evidence.queries if q.planned.cites == service.id and q.problem is None]
        if own and not any(query.series_count for query in own):
            yield f"No signal of service {service.name} has samples around the start."


def _by_rule(alerts: Sequence[AlertFact]) -> list[list[AlertFact]]:
    groups: dict[tuple[str, str], list[AlertFact]] = {}
    for alert in alerts:
        groups.setdefault((alert.rule_id, alert.name), []).append(alert)
    return list(groups.values())


def _of_types(evidence: Evidence, *types: str) -> list[str]:
    return [entry.id for entry in evidence.entries if entry.type in types]


def _moved(series: SeriesFact) -> str:
    pairs = (f"{k}={v}" for k, v in sorted(series.labels.items()) if k != METRIC_NAME)
    name = f"{{{', '.join(pairs)}}} " if series.labels else ""
    if series.direction == "appeared":
        return f"{name}has values only from the start on, up to {_number(series.extreme)}"
    if series.direction == "disappeared":
        return f"{name}has no values from the start on, and {_number(series.before)} before"
    to = _number(series.extreme)
    return f"{name}{series.direction} from {_number(series.before)} (median) to {to}"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"


def _quoted(text: str) -> str:
    return f"“{text}”"


def _length(span: timedelta) -> str:
    """A time span such as `1h5m`, in whole seconds."""
    seconds = max(0, int(span.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def text_of(entry: EntryFact) -> str:
    """An entry of the timeline as one sentence."""
    name = str(entry.actor.get("name", ""))
    match entry.type:
        case "comment":
            return f"{name}: {entry.data.get('body', '')}"
        case "resolved":
            return f"resolved by {name}: {entry.data.get('note', '')}"
        case "alerts_ended":
            return f"{entry.data.get('count', len(entry.data.get('alerts', ())))} alerts ended"
        case "runbook":
            reason = f" ({entry.data['reason']})" if entry.data.get("reason") else ""
            return f"runbook {entry.data.get('runbook', '')} {entry.data.get('change', '')}{reason}"
        case _:
            return f"{entry.type.replace('_', ' ')} by {name}"
