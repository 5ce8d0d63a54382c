"""A postmortem as an answer: JSON, or Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from novaql.server.clock import from_ms, rfc3339
from novaql.server.postmortems.draft import Draft, text_of
from novaql.server.postmortems.evidence import EntryFact, Evidence, QueryFact, Window
from novaql.server.postmortems.schema import (
    CitedAlertOut,
    CitedEntryOut,
    CitedQueryOut,
    CitedServiceOut,
    ImpactOut,
    MovedSeriesOut,
    PostmortemOut,
    RelatedOut,
    RootCauseOut,
    StatementOut,
)

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&$@]|:(?=//)|(?<=www)\.)", re.I)
"""Markup anywhere in a line, including the characters by which renderers make links of bare
addresses."""
_MARKER = re.compile(r"^([-+=:]|\d{1,9}(?=[.)]))")
"""The beginning of a list, of a line under a heading, or of a definition."""
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
"""Control characters, ends of lines, and characters that change the direction of a text."""


def as_model(evidence: Evidence, draft: Draft) -> PostmortemOut:
    """Return the draft with all facts that it may cite."""
    incident = evidence.incident
    ended, cause = incident.resolved_at, draft.root_cause
    return PostmortemOut(
        incident_id=incident.id,
        title=incident.title,
        incident_status=incident.status,  # type: ignore[arg-type]  # one of the table's
        status="draft_incomplete" if draft.missing else "draft",
        missing=list(draft.missing),
        summary=draft.summary.text,
        impact=ImpactOut(
            text=draft.impact.text,
            evidence=list(draft.impact.evidence),
            severity=incident.severity,  # type: ignore[arg-type]  # likewise
            services=list(incident.services),
            alert_count=incident.alert_count,
            started_at=incident.started_at,
            resolved_at=ended,
            duration_s=None if ended is None else (ended - incident.started_at).total_seconds(),
        ),
        root_cause=None
        if cause is None
        else RootCauseOut(text=cause.text, evidence=list(cause.evidence), confidence="stated"),
        confidence="none" if cause is None else "stated",
        contributing_factors=list(map(StatementOut.model_validate, draft.contributing_factors)),
        action_items=list(map(StatementOut.model_validate, draft.action_items)),
        timeline=[_entry(entry) for entry in evidence.entries],
        alerts=list(map(CitedAlertOut.model_validate, evidence.alerts)),
        services=list(map(CitedServiceOut.model_validate, evidence.services)),
        related=list(map(RelatedOut.model_validate, evidence.related)),
        queries=[_query(query, evidence.window) for query in evidence.queries],
    )


def _entry(entry: EntryFact) -> CitedEntryOut:
    return CitedEntryOut.model_validate({"id": entry.id, **asdict(entry)})


def _query(query: QueryFact, window: Window) -> CitedQueryOut:
    return CitedQueryOut(
        id=query.id,
        subject=query.planned.subject,
        query=query.planned.expr,
        start=window.start_ms / 1000,
        end=window.end_ms / 1000,
        step=window.step_ms / 1000,
        series=list(map(MovedSeriesOut.model_validate, query.series)),
        series_count=query.series_count,
        problem=query.problem,
    )


def as_markdown(evidence: Evidence, draft: Draft) -> str:
    """Return the draft as Markdown. Texts of users and labels are escaped: they are no markup."""
    return "\n".join(_lines(evidence, draft)) + "\n"


def _lines(evidence: Evidence, draft: Draft) -> Iterator[str]:
    incident, cause = evidence.incident, draft.root_cause
    yield f"# Postmortem: {_plain(incident.title)}"
    yield ""
    status = "incomplete draft" if draft.missing else "draft"
    yield f"Incident {_plain(incident.id)}. Status: {status}."
    if draft.missing:
        yield from _section("Missing", [f"- {_plain(text)}" for text in draft.missing])
    yield from _section("Summary", [_plain(draft.summary.text)])
    yield from _section("Impact", [_cited(draft.impact.text, draft.impact.evidence)])
    unknown = "Not known: no comment and no resolution that this draft has states one."
    stated = unknown if cause is None else _cited(f"Stated: {cause.text}", cause.evidence)
    yield from _section("Root cause", [stated])
    factors = [f"- {_cited(one.text, one.evidence)}" for one in draft.contributing_factors]
    yield from _section("Contributing factors", factors or ["None was found."])
    items = [f"- [ ] {_cited(one.text, one.evidence)}" for one in draft.action_items]
    yield from _section("Action items", items or ["None follows from the facts."])
    entries = [
        f"- {_code(entry.id)} {rfc3339(entry.at)} {_plain(text_of(entry))}"
        for entry in evidence.entries
    ]
    yield from _section("Timeline", entries)
    alerts = [
        f"- {_code(alert.id)} {rfc3339(alert.fired_at)} {_plain(alert.name)}, "
        f"value {_plain(alert.value)}"
        for alert in evidence.alerts
    ]
    yield from _section("Alerts", alerts)
    related = [
        f"- {_code(one.id)} {rfc3339(one.at)} {_plain(one.text)}" for one in evidence.related
    ]
    yield from _section("Related", related)
    window = evidence.window
    start, end = (rfc3339(from_ms(at)) for at in (window.start_ms, window.end_ms))
    times = f"{start} to {end}, step {window.step_ms // 1000}"
    queries = [
        f"- {_code(query.id)} {_plain(query.planned.subject)} ({times} s): "
        f"{_code(query.planned.expr)}"
        for query in evidence.queries
    ]
    yield from _section("Queries", queries)


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"## {title}", "", *lines)


def _cited(text: str, evidence: Sequence[str]) -> str:
    return f"{_plain(text)} ({', '.join(map(_code, evidence))})"


def _plain(text: str) -> str:
    """Return a text as one line without markup."""
    escaped = _SPECIAL.sub(r"\\\1", _in_one_line(text))
    return _MARKER.sub(_escaped_marker, escaped)


def _escaped_marker(found: re.Match[str]) -> str:
    """`1.` is escaped at its point, because only punctuation can be."""
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def _in_one_line(text: str) -> str:
    return " ".join(_UNSEEN.sub(" ", text).split())


def _code(text: str) -> str:
    """Return an expression as code, in one line, with a fence longer than any of its own."""
    line = _in_one_line(text)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest or not line else f"`{line}`"
