"""What a draft says follows from facts, and names them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from novaql.server.postmortems.draft import Draft, Statement, draft
from novaql.server.postmortems.evidence import (
    AlertFact,
    EntryFact,
    Evidence,
    IncidentFact,
    PlannedQuery,
    QueryFact,
    RelatedFact,
    SeriesFact,
    ServiceFact,
    Window,
)
from novaql.server.postmortems.load import planned
from novaql.server.postmortems.shown import as_markdown, as_model

START = datetime(2026, 4, 1, 12, tzinfo=UTC)
SLOW = timedelta(minutes=15)
PERSON = {"type": "user", "id": "usr_1", "name": "ada"}
times = st.integers(0, 7200).map(lambda seconds: START + timedelta(seconds=seconds))
words = st.text(max_size=30)
names = st.sampled_from(["api", "db", "web"])
floats = st.none() | st.floats(allow_nan=False, allow_infinity=False)


def alert(alert_id: str, **fields: Any) -> AlertFact:
    usual: dict[str, Any] = {
        "rule_id": "r1",
        "name": "Down",
        "service": "api",
        "labels": {},
        "annotations": {},
        "value": "0",
        "began_at": START,
        "fired_at": START,
        "ended_at": None,
        "expr": "up == 0",
        "managed": "",
    }
    return AlertFact(alert_id=alert_id, **{**usual, **fields})


def incident_of(**fields: Any) -> IncidentFact:
    usual: dict[str, Any] = {
        "id": "inc_1",
        "title": "errors",
        "severity": "sev2",
        "status": "resolved",
        "services": [],
        "related_to": None,
        "entries": 1,
        "alert_count": 0,
        "created_at": START,
        "started_at": START,
        "acknowledged_at": START,
        "resolved_at": START + timedelta(hours=1),
    }
    return IncidentFact(**{**usual, **fields})


@st.composite
def entries(draw: st.DrawFn) -> list[EntryFact]:
    found = [EntryFact(1, START, "triggered", PERSON, {})]
    for seq in range(2, draw(st.integers(2, 6))):
        kind = draw(st.sampled_from(["comment", "acknowledged", "alerts_ended", "triggered"]))
        data: dict[str, Any] = {"comment": {"body": draw(words)}, "alerts_ended": {"count": 1}}
        found.append(EntryFact(seq, draw(times), kind, PERSON, data.get(kind, {})))
    return found


@st.composite
def alerts(draw: st.DrawFn) -> list[AlertFact]:
    return [
        alert(
            f"alrt_{n}",
            rule_id=draw(st.sampled_from(["r1", "r2"])),
            service=draw(st.none() | names),
            annotations=draw(st.dictionaries(st.sampled_from(["runbook_url", "summary"]), words)),
            managed=draw(st.sampled_from(["", "slo:slo_1"])),
        )
        for n in range(draw(st.integers(0, 3)))
    ]


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    services = draw(st.lists(names, unique=True))
    known = [
        ServiceFact(n, "ada", "1", draw(st.lists(words, max_size=1)), {})
        for n in services
        if draw(st.booleans())
    ]
    found, listed = draw(alerts()), draw(entries())
    cited = [*(one.id for one in found), *(service.id for service in known)]
    queries = [
        QueryFact(
            PlannedQuery(n, "Errors", "errors", draw(st.sampled_from(cited))),
            [SeriesFact({}, draw(floats), draw(floats), draw(floats), direction)],
            1,
            draw(st.none() | words),
        )
        for n, direction in enumerate(
            draw(st.lists(st.sampled_from(["rose", "fell", "appeared", "unchanged"]), max_size=3))
            if cited
            else [],
            1,
        )
    ]
    resolved = draw(st.none() | times)
    incident = incident_of(
        title=draw(words),
        status="triggered" if resolved is None else "resolved",
        services=services,
        related_to=draw(st.none() | st.just("inc_0")),
        entries=len(listed),
        alert_count=len(found),
        acknowledged_at=draw(st.none() | times),
        resolved_at=resolved,
    )
    related = [RelatedFact("change", f"aud_{n}", START, "a change") for n in range(2)]
    return Evidence(
        *(incident, listed, found, known, draw(st.sampled_from([[], related])), queries),
        Window(0, 1, 2, 1),
        draw(st.lists(words, max_size=1)),
    )


def statements(made: Draft) -> list[Statement]:
    causes = [] if made.root_cause is None else [made.root_cause]
    items = (*made.contributing_factors, *made.action_items)
    return [made.summary, made.impact, *causes, *items]


@given(evidences())
def test_every_statement_cites_facts_that_are_in_the_answer(evidence: Evidence) -> None:
    made = draft(evidence, SLOW)
    shown = as_model(evidence, made)
    lists: list[Sequence[Any]] = [shown.timeline, shown.alerts, shown.services]
    lists += [shown.related, shown.queries]
    ids = {item.id for some in lists for item in some}

    assert ids == evidence.ids()
    for statement in statements(made):
        assert statement.evidence, statement
        assert set(statement.evidence) <= ids, statement


@given(evidences())
def test_the_same_evidence_gives_the_same_draft(evidence: Evidence) -> None:
    once, again = draft(evidence, SLOW), draft(replace(evidence), SLOW)
    assert once == again
    assert as_model(evidence, once) == as_model(evidence, again)
    assert as_markdown(evidence, once) == as_markdown(evidence, again)


@given(evidences())
def test_it_is_complete_only_when_nothing_is_missing(evidence: Evidence) -> None:
    made = draft(evidence, SLOW)
    shown = as_model(evidence, made)
    open_ = evidence.incident.resolved_at is None
    failed = any(query.problem is not None for query in evidence.queries)

    assert (shown.status == "draft") == (not made.missing)
    assert not (open_ or failed or evidence.missing) or made.missing


@given(evidences())
def test_no_cause_is_invented(evidence: Evidence) -> None:
    silent = [replace(e, data={}) for e in evidence.entries]
    made = draft(replace(evidence, entries=silent), SLOW)
    shown = as_model(evidence, made)
    assert made.root_cause is None
    assert shown.confidence == "none"


def plain(*texts: str, **fields: Any) -> Evidence:
    listed = [EntryFact(1, START, "triggered", PERSON, {})]
    listed += [
        EntryFact(seq, START, "comment", PERSON, {"body": text})
        for seq, text in enumerate(texts, 2)
    ]
    incident = incident_of(entries=len(listed), **fields)
    return Evidence(incident, listed, [], [], [], [], Window(0, 1, 2, 1))


def test_a_cause_is_what_a_comment_states_last() -> None:
    evidence = plain("Root cause: the disk", "is the root cause: known?", "ROOT-CAUSE = a bug \nx")
    made = draft(evidence, SLOW)
    assert made.root_cause == Statement("a bug", ["timeline:4"])
    assert draft(plain("the root cause is unclear"), SLOW).root_cause is None


@pytest.mark.parametrize(
    "text",
    [
        *("unknown", "Unknown.", "tbd", "TBD!", "?", "??", "n/a", "N.A.", "not known yet", "-"),
        *("not yet known, still investigating", "to be determined", "We don't know yet", "…"),
        *("**unknown**", "unclear (under investigation)", "none"),
    ],
)
def test_a_cause_that_is_not_known_is_none(text: str) -> None:
    evidence = plain(f"root cause: {text}")
    assert draft(evidence, SLOW).root_cause is None
    assert as_model(evidence, draft(evidence, SLOW)).confidence == "none"
    withdrawn = plain("root cause: the disk", f"root cause: {text}")
    assert draft(withdrawn, SLOW).root_cause is None
    stated = plain(f"root cause: {text}", "root cause: unknown clients flooded it")
    found = draft(stated, SLOW).root_cause
    assert found == Statement("unknown clients flooded it", ["timeline:3"])


def test_a_current_expression_is_named_so() -> None:
    then, now = alert("alrt_1"), alert("alrt_2", name="Slow", rule_id="r2", expr_changed=True)
    subjects = [query.subject for query in planned([then, now], [], [])]
    assert subjects == [
        "Expression of alert Down",
        "Current expression of alert Slow, whose rule changed after it fired",
    ]


def test_a_slow_acknowledgement_is_an_action_item() -> None:
    for minutes, expected in ((15, 0), (16, 1)):
        evidence = plain(acknowledged_at=START + timedelta(minutes=minutes))
        assert len(draft(evidence, SLOW).action_items) == expected
    (item,) = draft(plain(acknowledged_at=None), SLOW).action_items
    assert "was not acknowledged for 1h" in item.text


def test_action_items_follow_from_facts() -> None:
    burn = alert("alrt_1", name="Burn", managed="slo:slo_1")
    service = ServiceFact("api", "ada", "1", [], {})
    evidence = replace(
        plain(services=["api", "new"], related_to="inc_0", acknowledged_at=START),
        alerts=[burn],
        services=[service],
    )
    items = draft(evidence, SLOW).action_items

    assert [(item.text.split()[0], list(item.evidence)) for item in items] == [
        ("Write", ["alert:alrt_1"]),
        ("Review", ["alert:alrt_1"]),
        ("Name", ["service:api"]),
        ("Add", ["timeline:1"]),
        ("Compare", ["timeline:1"]),
    ]
    clean = replace(
        plain(acknowledged_at=START),
        alerts=[replace(burn, annotations={"runbook_url": "https://x"}, managed="")],
    )
    assert draft(clean, SLOW).action_items == ()


@given(words, words)
def test_markdown_has_no_markup_of_users(title: str, body: str) -> None:
    evidence = plain(f"# h\n<script>[x](y) {body}", title=title)
    lines = as_markdown(evidence, draft(evidence, SLOW)).split("\n")
    headings = [line for line in lines if line.startswith("#")]
    assert [line for line in headings[1:] if not line[3:].replace(" ", "").isalpha()] == []
    assert not any("<script>" in line for line in lines)


MARKUP = [
    *("![a](http://evil/x.png)", "[a](javascript:alert(1))", "<img src=x onerror=alert(1)>"),
    *("1. one", "12) two", "- [ ] item", "+ plus", "= x", "--- ", "## h", "> quote", "    code"),
    *("`tick", "```fence", "a | b", "a\\", "&lt;b&gt;", "~~gone~~", "*b* _i_", "<http://evil>"),
    *("a\n# h", "a\r\n\r\n[x]: http://evil", "a\u2028# h", "a\x0b- b", "\u202etxt", "a\x00b"),
    *("https://evil", "www.evil.example", "me@evil.example", "[x]: http://evil", "$x$"),
]


@given(st.sampled_from(MARKUP) | st.text(max_size=40), st.sampled_from(MARKUP) | st.text())
@example("`", "``` ` ```")
def test_a_reader_of_markdown_sees_texts_and_no_markup(title: str, body: str) -> None:
    entry = EntryFact(1, START, "triggered", {**PERSON, "name": title}, {})
    comment = EntryFact(2, START, "comment", PERSON, {"body": f"{body}\nroot cause: {title}x"})
    named = alert("alrt_1", name=title)
    query = QueryFact(PlannedQuery(1, title, body, "alert:alrt_1"), [], 0, body)
    window = Window(0, 1, 2, 1)
    evidence = Evidence(
        incident_of(title=title, services=[title]),
        *([entry, comment], [named], [], [RelatedFact("change", "`", START, body)], [query]),
        window,
        [body],
    )
    text = as_markdown(evidence, draft(evidence, SLOW))
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    inside = [one for token in tokens for one in token.children or ()]
    kinds = {token.type for token in (*tokens, *inside)}

    assert kinds <= {
        *("heading_open", "heading_close", "inline", "text", "text_special", "code_inline"),
        *("paragraph_open", "paragraph_close", "bullet_list_open", "bullet_list_close"),
        *("list_item_open", "list_item_close", "softbreak"),
    }
    assert max(token.level for token in tokens) <= 3  # no list is in a list
    shown = "".join(one.content for one in tokens[1].children or ())
    assert shown.split() == f"Postmortem: {seen(title)}".split()
    assert not re.search(r"(?<!\\)://|www\.", text.split("\n")[0], re.I)  # no bare address
    code = [one.content for one in inside if one.type == "code_inline"]
    assert " ".join(code[-1].split()) == seen(body)


def seen(text: str) -> str:
    """A text in one line, without characters that readers do not see."""
    kept = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in BIDI else c for c in text)
    return " ".join("".join(kept).split())


BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
