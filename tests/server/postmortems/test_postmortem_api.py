"""`GET /v1/incidents/{id}/postmortem`, over alerts and samples of a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from novaql.server.alert_model.tables import AlertChange
from novaql.server.clock import SteppedClock, parse_time, to_ms
from novaql.server.db.tables import AuditEntry
from novaql.server.postmortems import router
from novaql.server.postmortems.draft import Draft, draft
from novaql.server.postmortems.evidence import Evidence
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertRig]:
    """Over SQLite, and over PostgreSQL."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database) as server,
    ):
        yield AlertRig(server, clock)


@pytest.fixture
def one() -> Iterator[AlertRig]:
    """Over SQLite only."""
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        yield AlertRig(server, clock)


def opened(rig: AlertRig, **fields: Any) -> dict[str, Any]:
    body = {"title": "errors", "severity": "sev2", "services": [], **fields}
    made: dict[str, Any] = rig.post("/v1/incidents", body)
    return made


def postmortem(rig: AlertRig, incident: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = rig.get(f"/v1/incidents/{incident['id']}/postmortem")
    return found


def answer(rig: AlertRig, incident: dict[str, Any], **headers: str) -> httpx.Response:
    url = f"/v1/incidents/{incident['id']}/postmortem"
    return rig.server.client.get(url, headers={**rig.server.bearer(), **headers})


def disturbed(rig: AlertRig) -> dict[str, Any]:
    """An incident of an alert, with saturation that rises, and its end."""
    rule = rig.rule(auto_incident=True, service="api", **{"for": "30s"})
    for _ in range(40):
        rig.clock.step(timedelta(seconds=60))
        saturated(rig, 0.2)
    rig.step(60, a=1.0)
    changed = {"version": rule["version"], "severity": "page"}
    assert rig.ask("PATCH", f"/v1/alert-rules/{rule['id']}", changed).status_code == 200
    for _ in range(4):
        saturated(rig, 0.97)
        rig.step(15, a=0.0)
    (incident,) = rig.get("/v1/incidents")["data"]
    rig.step(600, a=0.0)
    saturated(rig, 0.97)
    rig.step(600, a=0.0)
    return dict(incident)


def ended(rig: AlertRig) -> None:
    """The alert is over."""
    for _ in range(8):
        rig.step(15, a=1.0)


def saturated(rig: AlertRig, value: float) -> None:
    labels = {"__name__": "service_saturation_ratio", "service": "api", "resource": "cpu"}
    assert rig.server.write([(labels, [(to_ms(rig.clock.now()), value)])]).status_code == 204


@pytest.mark.slow
def test_a_draft_of_an_alert(rig: AlertRig) -> None:
    incident = disturbed(rig)
    before = postmortem(rig, incident)
    rig.post(f"/v1/incidents/{incident['id']}/resolve", {"note": "root cause: a full disk"}, 200)
    found = postmortem(rig, incident)
    alert, by_id = found["alerts"][0], {q["id"]: q for q in found["queries"]}

    assert before["status"] == "draft_incomplete"
    assert before["missing"] == ["The incident is not resolved."]
    assert (before["root_cause"], before["confidence"]) == (None, "none")
    assert (found["status"], found["missing"]) == ("draft", [])
    assert found["root_cause"] == {
        "text": "a full disk",
        "evidence": ["timeline:2"],
        "confidence": "stated",
    }
    assert (alert["name"], alert["value"], alert["service"]) == ("Down", "0.0", "api")
    assert alert["began_at"] < alert["fired_at"]
    assert found["impact"]["started_at"] == alert["began_at"]
    assert [query["subject"] for query in found["queries"]] == [
        *("Expression of alert Down", "Latency of api", "Traffic of api", "Errors of api"),
        "Saturation of api",
    ]
    (cpu,) = by_id["query:5"]["series"]
    assert (cpu["before"], cpu["extreme"], cpu["direction"]) == (0.2, 0.97, "rose")
    texts = [(factor["text"], factor["evidence"]) for factor in found["contributing_factors"]]
    assert texts[0][1] == [alert["id"]]
    assert "alert_rule.create of Down" in texts[1][0]
    assert "alert_rule.update of Down" in texts[2][0]
    assert texts[3][1] == ["query:1", alert["id"]]
    assert texts[4] == (
        "Saturation of api: {resource=cpu} rose from 0.2 (median) to 0.97.",
        ["query:5", "service:api"],
    )
    assert any("was not acknowledged for" in item["text"] for item in found["action_items"])
    assert {i for one in found["action_items"] for i in one["evidence"]} <= ids_in(found)


def ids_in(found: dict[str, Any]) -> set[str]:
    lists = ("timeline", "alerts", "services", "related", "queries")
    return {item["id"] for name in lists for item in found[name]}


@pytest.mark.slow
def test_its_queries_can_be_repeated(one: AlertRig) -> None:
    found = postmortem(one, disturbed(one))
    query = found["queries"][4]
    body = {name: query[name] for name in ("query", "start", "end", "step")}
    result = one.post("/v1/novaql", body, 200)["result"]

    began = parse_time(found["impact"]["started_at"]).timestamp()
    after = [value for at, value in result[0]["values"] if at >= began]
    assert max(after) == query["series"][0]["extreme"]


@pytest.mark.slow
def test_a_later_episode_of_its_alert_is_not_in_it(one: AlertRig) -> None:
    incident = disturbed(one)
    ended(one)
    first = postmortem(one, incident)
    for _ in range(8):
        one.step(15, a=0.0)
    assert len(one.get("/v1/incidents")["data"]) == 2

    assert first["incident_status"] == "resolved"
    assert first["alerts"][0]["ended_at"] is not None
    assert postmortem(one, incident) == first


@pytest.mark.slow
def test_the_same_evidence_has_the_same_tag(rig: AlertRig) -> None:
    incident = disturbed(rig)
    first = answer(rig, incident)
    rig.clock.step(timedelta(hours=1))
    saturated(rig, 0.1)  # after the last event
    again, tag = answer(rig, incident), first.headers["etag"]
    unchanged = answer(rig, incident, **{"If-None-Match": tag})
    markdown = answer(rig, incident, Accept="text/markdown")
    same = answer(rig, incident, **{"If-None-Match": markdown.headers["etag"]})
    rig.post(f"/v1/incidents/{incident['id']}/comments", {"body": "news"})
    changed = answer(rig, incident, **{"If-None-Match": tag})

    assert (again.content, again.headers["etag"]) == (first.content, tag)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == tag
    assert markdown.headers["etag"] != tag
    assert same.status_code == 200  # the tag of another form
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_forms(one: AlertRig) -> None:
    incident = opened(one, title="*errors* <b>")
    text = answer(one, incident, Accept="text/markdown, application/json;q=0.5")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.headers["vary"].startswith("Accept")
    assert text.text.startswith("# Postmortem: \\*errors\\* \\<b\\>\n")
    assert "- `timeline:1` 2026-04-01T12:00:00Z triggered by" in text.text
    for accept in ("*/*", "application/*", "application/json", "text/markdown;q=0, */*"):
        assert answer(one, incident, Accept=accept).json()["title"] == "*errors* <b>"
    for accept in ("text/html", "application/xml", "text/markdown;q=0"):
        refused = answer(one, incident, Accept=accept)
        assert (refused.status_code, refused.json()["error"]["code"]) == (406, "not_acceptable")


def test_nothing_is_known(one: AlertRig) -> None:
    one.post("/v1/services", {"name": "api", "owner": "ada", "tier": "1"})
    found = postmortem(one, opened(one, services=["api"]))

    assert (found["root_cause"], found["contributing_factors"]) == (None, [])
    assert found["missing"] == [
        "The incident is not resolved.",
        "No signal of service api has samples around the start.",
    ]


def test_a_signal_that_cannot_be_measured_is_missing(one: AlertRig) -> None:
    one.server.write([({"__name__": "a", "x": str(n)}, [(to_ms(NOW), 1.0)]) for n in range(2)])
    body = {
        "name": "api",
        "owner": "ada",
        "tier": "1",
        "signals": {"errors": {"expr": "a + on () a"}},
    }
    one.post("/v1/services", body)
    found = postmortem(one, opened(one, services=["api"]))

    (problem,) = [query["problem"] for query in found["queries"] if query["problem"]]
    assert f"query:3 (Errors of api) has no result: {problem}" in found["missing"]


@pytest.mark.slow
def test_a_long_timeline_is_shortened_and_says_so(one: AlertRig) -> None:
    incident = opened(one)
    for n in range(520):
        one.post(f"/v1/incidents/{incident['id']}/comments", {"body": str(n)})
    found = postmortem(one, incident)

    assert [entry["seq"] for entry in found["timeline"]] == [*range(1, 251), *range(272, 522)]
    assert "Entries 251 to 271 of the timeline are not in the draft." in found["missing"]


@pytest.mark.slow
def test_alerts_that_are_gone_are_missing(one: AlertRig) -> None:
    incident = disturbed(one)
    ended(one)
    context = one.server.context
    with context.database.write(context.access.default_principal.tenant_id) as session:
        session.execute(delete(AlertChange))  # as the retention does
    found = postmortem(one, incident)

    assert (found["status"], found["alerts"]) == ("draft_incomplete", [])
    assert found["missing"] == ["The history of 1 alerts has been deleted after its retention."]


def test_unknown_incidents_are_a_404(one: AlertRig) -> None:
    assert answer(one, {"id": "inc_none"}).status_code == 404
    assert one.ask("GET", "/v1/incidents/inc_none/postmortem").status_code == 404


@pytest.mark.slow
def test_an_alert_that_fires_again_is_not_the_one_of_the_incident_before(one: AlertRig) -> None:
    first = disturbed(one)
    ended(one)
    for _ in range(8):
        one.step(60, a=1.0)
    again = one.clock.now()
    for _ in range(8):
        one.step(15, a=0.0)
    second = one.get("/v1/incidents")["data"][0]
    (alert,) = postmortem(one, second)["alerts"]

    assert second["id"] != first["id"]
    assert parse_time(alert["began_at"]) >= again
    assert parse_time(alert["fired_at"]) >= again


@pytest.mark.slow
def test_the_expression_is_that_of_the_time_of_the_alert(rig: AlertRig) -> None:
    incident = disturbed(rig)
    path = "/v1/alert-rules/" + postmortem(rig, incident)["alerts"][0]["rule_id"]
    rule = rig.get(path)
    for expr in ("up < 1", "up < 2"):
        rig.clock.step(timedelta(minutes=1))
        changed = {"version": rig.get(path)["version"], "expr": expr}
        assert rig.ask("PATCH", path, changed).status_code == 200
    query = postmortem(rig, incident)["queries"][0]
    assert (query["subject"], query["query"]) == ("Expression of alert Down", rule["expr"])


@pytest.mark.slow
def test_an_expression_that_is_not_recorded_is_called_the_current_one(one: AlertRig) -> None:
    incident = disturbed(one)
    path = "/v1/alert-rules/" + postmortem(one, incident)["alerts"][0]["rule_id"]
    one.clock.step(timedelta(minutes=1))
    changed = {"version": one.get(path)["version"], "expr": "up < 1"}
    assert one.ask("PATCH", path, changed).status_code == 200
    with one.server.context.database.write(None) as session:
        session.execute(delete(AuditEntry))
    query = postmortem(one, incident)["queries"][0]
    assert query["query"] == "up < 1"
    assert query["subject"].startswith("Current expression of alert Down, whose rule changed")


def test_a_draft_is_not_written_on_the_event_loop(
    one: AlertRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops: list[object] = []

    def watched(evidence: Evidence, slow_ack: timedelta) -> Draft:
        loops.append(asyncio._get_running_loop())
        return draft(evidence, slow_ack)

    monkeypatch.setattr(router, "draft", watched)
    incident = opened(one)
    for accept in ("application/json", "text/markdown"):
        assert answer(one, incident, accept=accept).status_code == 200
    assert loops == [None, None]


def test_a_draft_is_cached_until_rows_change(monkeypatch: pytest.MonkeyPatch) -> None:
    drafted: list[Evidence] = []

    def counting(evidence: Evidence, slow_ack: timedelta) -> Draft:
        drafted.append(evidence)
        return draft(evidence, slow_ack)

    monkeypatch.setattr(router, "draft", counting)
    clock = SteppedClock(NOW)
    with local_server(clock=clock, slo_cache_ttl_s=15) as server:
        rig = AlertRig(server, clock)
        incident = opened(rig)
        assert postmortem(rig, incident) == postmortem(rig, incident)
        assert len(drafted) == 1
        rig.post(f"/v1/incidents/{incident['id']}/comments", {"body": "root cause: a full disk"})
        assert postmortem(rig, incident)["root_cause"]["text"] == "a full disk"
        assert len(drafted) == 2
