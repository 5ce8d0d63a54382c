"""OpenSLO documents over HTTP: what becomes of them, and what is told of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from novaql.server.clock import SteppedClock
from tests.support.servers.http_server import LocalServer, local_server

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server(clock=SteppedClock(NOW)) as made:
        body = {"name": "api", "owner": "team", "tier": "tier1"}
        made.client.post("/v1/services", json=body, headers=made.bearer())
        yield made


def take(server: LocalServer, *documents: dict[str, Any]) -> dict[str, Any]:
    text = yaml.safe_dump_all(documents)
    answer = server.client.post("/v1/slo/import", json={"document": text}, headers=server.bearer())
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def shown(server: LocalServer, name: str) -> dict[str, Any]:
    answer = server.client.get(f"/v1/slo/api?slo={name}", headers=server.bearer())
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["slos"]
    assert isinstance(found, dict)
    return found


def metric(query: str) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}


RATIO = {"ratioMetric": {"bad": metric('r{code="500"}'), "total": metric("r")}}


def slo(name: str, objective: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "service": "api",
        "timeWindow": [{"duration": "28d", "isRolling": True}],
        "objectives": [{"target": 0.95, **(objective or {})}],
        "indicator": {"spec": RATIO},
    }
    kept = {key: value for key, value in {**usual, **spec}.items() if value is not None}
    return {"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": name}, "spec": kept}


OPENSLO = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: api
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{targetPercent: 99.9}]
  indicator:
    metadata: {name: i}
    spec:
      ratioMetric:
        counter: true
        bad:
          metricSource:
            type: Prometheus
            spec: {query: 'sum(rate(requests_total{code="500"}[5m]))'}
        total: {metricSource: {type: Prometheus, spec: {query: requests_total}}}
---
kind: Service
metadata: {name: other}
---
kind: SLO
metadata: {name: odd}
spec:
  service: api
  timeWindow: [{duration: 1M, calendar: {startTime: x, timeZone: Europe/Berlin}}]
  objectives: [{target: 0.95, op: lte, value: 5}]
  indicator: {spec: {thresholdMetric: {metricSource: {spec: {query: 'avg(depth)'}}}}}
---
kind: SLO
metadata: {name: nobody}
spec:
  service: nobody
  timeWindow: [{duration: 28d}]
  objectives: [{target: 0.95}]
  indicator: {spec: {ratioMetric: {total: {metricSource: {spec: {query: 'a/b'}}}}}}
"""


def test_openslo(server: LocalServer) -> None:
    answer = server.client.post(
        "/v1/slo/import", json={"document": OPENSLO}, headers=server.bearer()
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["created"] == ["api/availability", "api/odd"]
    assert [s["name"] for s in found["skipped"]] == ["other", "nobody"]
    first = shown(server, "availability")
    assert (first["objective"], first["window"]["text"]) == ("0.999", "28d")
    assert first["indicator"]["bad"] == 'requests_total{code="500"}'
    again = server.client.post(
        "/v1/slo/import", json={"document": OPENSLO}, headers=server.bearer()
    ).json()
    assert again["updated"] == ["api/availability", "api/odd"]
    bad = server.client.post("/v1/slo/import", json={"document": "a: ["}, headers=server.bearer())
    assert bad.status_code == 400


def test_an_indicator_by_its_name(server: LocalServer) -> None:
    sli = {"kind": "SLI", "metadata": {"name": "errors"}, "spec": RATIO}
    found = take(
        server,
        slo("by-name", indicator=None, indicatorRef="errors"),
        slo("of-nothing", indicator=None, indicatorRef="other"),
        sli,
    )
    assert found["created"] == ["api/by-name"]
    ((name, reason),) = [(one["name"], one["reason"]) for one in found["skipped"]]
    assert name == "of-nothing"
    assert "SLI named other" in reason
    assert shown(server, "by-name")["indicator"]["bad"] == 'r{code="500"}'


@pytest.mark.parametrize(
    ("duration", "days"), [("3M", "90d"), ("1M", "30d"), ("1Q", "90d"), ("1Y", "365d")]
)
def test_months_are_no_minutes(server: LocalServer, duration: str, days: str) -> None:
    found = take(server, slo("long", timeWindow=[{"duration": duration, "isRolling": True}]))
    assert [one["note"] for one in found["notes"]] == [
        f"a rolling window of {duration} became {days}"
    ]
    assert shown(server, "long")["window"]["text"] == days


def test_slices_are_minutes_and_not_events(server: LocalServer) -> None:
    """Of an hour, six minutes with half of their requests failing: the slices are what counts."""
    end = int(NOW.timestamp() * 1000)
    good = bad = 0.0
    points: dict[str, list[tuple[int, float]]] = {"200": [], "500": []}
    for quarter in range(4 * 65 + 1):
        minute = (quarter - 1) // 4
        failing = 20 <= minute < 26
        good, bad = good + (1 if failing else 25), bad + (1 if failing else 0)
        at = end - 65 * 60_000 + 15_000 * quarter
        points["200"].append((at, good))
        points["500"].append((at, bad))
    series: list[Any] = [({"__name__": "r", "code": c}, p) for c, p in points.items()]
    assert server.write(series).status_code == 204
    window = [{"duration": "1h", "isRolling": True}]
    found = take(
        server,
        slo("events", timeWindow=window, budgetingMethod="Occurrences"),
        slo(
            "minutes",
            {"timeSliceTarget": 0.9, "timeSliceWindow": "1m"},
            timeWindow=window,
            budgetingMethod="Timeslices",
        ),
        slo(
            "five",
            {"timeSliceTarget": 0.9, "timeSliceWindow": 5},
            timeWindow=window,
            budgetingMethod="Timeslices",
        ),
    )
    assert found["created"] == ["api/events", "api/minutes", "api/five"], found
    assert [one["name"] for one in found["notes"]] == ["api/five"]
    assert shown(server, "events")["attainment"] > 0.99
    assert shown(server, "minutes")["attainment"] == pytest.approx(0.9)
    assert shown(server, "minutes")["events"] == 60


def test_minutes_without_requests_are_no_bad_ones(server: LocalServer) -> None:
    end = int(NOW.timestamp() * 1000)
    times = [end - 15_000 * back for back in reversed(range(4 * 61))]
    still = [(at, float(min(i, 120))) for i, at in enumerate(times)]
    assert server.write([({"__name__": "r", "code": "200"}, still)]).status_code == 204
    objective = {"timeSliceTarget": 0.9, "timeSliceWindow": "1m"}
    window = [{"duration": "1h", "isRolling": True}]
    take(server, slo("m", objective, timeWindow=window, budgetingMethod="Timeslices"))
    found = shown(server, "m")
    assert found["attainment"] == 1.0
    assert found["events"] == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (slo("x", budgetingMethod="RatioTimeslices"), "RatioTimeslices is not read"),
        (slo("x", budgetingMethod="Timeslices"), "timeSliceWindow"),
        (
            slo("x", {"timeSliceWindow": "1m"}, budgetingMethod="Timeslices"),
            "timeSliceTarget",
        ),
        (
            slo(
                "x", indicator={"spec": {"ratioMetric": {"raw": metric("r"), "rawType": "success"}}}
            ),
            "no events to count",
        ),
        (
            slo(
                "x",
                {"op": "lte", "value": 1},
                indicator={"spec": {"thresholdMetric": metric("avg(")}},
            ),
            "is not closed",
        ),
        (
            slo(
                "x", indicator={"spec": {"ratioMetric": {**RATIO["ratioMetric"], "counter": False}}}
            ),
            "total: r is no counter",
        ),
        (slo("x", timeWindow=[{"duration": "45x"}]), "45x"),
        (slo("x", timeWindow=[{"duration": "28d", "isRolling": False}]), "needs a calendar"),
        (
            slo("x", timeWindow=[{"duration": "1d", "calendar": {"timeZone": "localtime"}}]),
            "'localtime' is no time zone",
        ),
        (slo("x", {"target": "1e99999999999"}), "no share"),
        (slo("x", {"target": "1e-99999999999"}), "no share"),
        (slo("x", {"target": ".inf"}), "no target"),
        (slo("x", objectives=[{"targetPercent": "1e9999999"}]), "no share"),
        (slo("x", objectives=[{"targetPercent": "nan"}]), "no share"),
        ({"kind": "SLO", "spec": 1}, "spec is missing"),
        ({"kind": "AlertPolicy", "metadata": {"name": "x"}}, "AlertPolicy is not read"),
    ],
)
def test_what_is_not_taken_says_why(
    server: LocalServer, document: dict[str, Any], reason: str
) -> None:
    found = take(server, document, slo("fine"))
    assert found["created"] == ["api/fine"]
    ((skipped),) = found["skipped"]
    assert reason in skipped["reason"], skipped


def test_rates_of_counters_are_read_whatever_the_document_calls_them(server: LocalServer) -> None:
    ratio = {"counter": False, "bad": metric("rate(b[5m])"), "total": metric("sum(rate(r[5m]))")}
    found = take(server, slo("x", indicator={"spec": {"ratioMetric": ratio}}))
    assert found["created"] == ["api/x"]
    assert shown(server, "x")["indicator"] == {"type": "ratio", "bad": "b", "total": "r"}


def test_an_import_keeps_what_openslo_has_no_field_for(server: LocalServer) -> None:
    take(server, slo("x"))
    indicator = shown(server, "x")["indicator"]
    body = {"name": "x", "version": 1, "objective": "0.95", "window": "28d", "min_events": 100}
    changed = server.client.post(
        "/v1/slo/api", json={**body, "indicator": indicator}, headers=server.bearer()
    )
    assert changed.status_code == 200, changed.text
    found = take(server, slo("x", {"target": 0.99}))
    server.run_jobs()
    rules = server.client.get("/v1/alert-rules", headers=server.bearer()).json()["data"]

    assert found["updated"] == ["api/x"]
    assert (shown(server, "x")["objective"], shown(server, "x")["min_events"]) == ("0.99", 100)
    assert len(rules) == 2
    assert all(rule["expr"].count(">= 100") == 2 for rule in rules)
