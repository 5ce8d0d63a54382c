"""The content of a server under load: people, services, dashboards, rules that fire, objectives,
samples.

Everything is made over the API. Samples are an hour of a small fleet, up to now, so that all
evaluations of the present (alerts, objectives, health, `now-1h`) find some.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx

from benchmarks.datasets import INTERVAL_MS, JOBS, START_MS, Fleet, fleet
from benchmarks.senders import remote_write_messages

HOURS = 1
COUNTERS = 1000
USERS, SERVICES, DASHBOARDS, RULES, OBJECTIVES, TOKENS = 50, 50, 20, 20, 10, 20
SCHEDULES, INCIDENTS, AGENTS = 20, 20, 10
POLICIES, RUNBOOKS, CHECKS = 10, 20, 20
_SUM = 'sum by (status) (rate(http_requests_total{job=~"$job"}[$__rate_interval]))'
_P99 = (
    "histogram_quantile(0.99, sum by (le) "
    '(rate(http_request_duration_seconds_bucket{job=~"$job"}[$__rate_interval])))'
)
_PROPOSAL = {"kind": "deploy.rollback", "title": "Roll back", "content": {"to": "v41"}}
_ONE = 'sum(rate(http_requests_total{job="job-3"}[5m]))'


@dataclass(frozen=True, slots=True)
class Content:
    """Ids of the resources, and the range of the samples in seconds."""

    start: int
    end: int
    users: list[str]
    dashboards: list[str]
    series_panels: list[str]
    stat_panels: list[str]
    rules: list[str]
    alerts: list[str]
    entries: list[str]
    schedules: list[str]
    incidents: list[str]
    agents: list[str]
    policies: list[str]
    pages: list[str]
    runbooks: list[str]
    runs: list[str]
    checks: list[str]


def fill(url: str, token: str) -> Content:
    """Create everything, and wait until rules have fired."""
    bearer = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=bearer, timeout=60) as client:
        _wait(lambda: client.get("/readyz").status_code == 200)

        def make(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = client.post(path, json=body)
            assert answer.is_success, answer.text
            made: dict[str, Any] = answer.json()
            return made

        start, end = _samples(client)
        for number in range(TOKENS):
            make("/v1/tokens", {"name": f"token-{number}", "role": "read_only"})
        users = [
            make("/v1/users", {"email": f"user{n}@example.com", "role": "operator"})["id"]
            for n in range(USERS)
        ]
        for number in range(SERVICES):
            make("/v1/services", _service(number))
        for number in range(OBJECTIVES):
            make(f"/v1/slo/service-{number}", _objective(number))
        dashboards = [make("/v1/dashboards", _dashboard(n)) for n in range(DASHBOARDS)]
        make("/v1/notification-channels", {"name": "log", "type": "sink"})
        make("/v1/alert-routing", {"route": {"channels": ["log"], "group_wait": "1s"}})
        rules = [make("/v1/alert-rules", _rule(number))["id"] for number in range(RULES)]
        silence = {"matchers": [{"name": "team", "value": "team-1"}], "duration": "2h"}
        make("/v1/silences", {**silence, "reason": "maintenance"})
        hook = {"url": "https://example.com/hook", "events": ["user.deactivated"]}
        make("/v1/webhooks", hook)
        schedules = [make("/v1/oncall/schedules", _schedule(n, users)) for n in range(SCHEDULES)]
        for user in users:
            make(f"/v1/users/{user}/contact-methods", {"name": "log", "type": "sink"})
        policies = [
            make("/v1/escalation-policies", _policy(n, schedules[n]["id"]))["id"]
            for n in range(POLICIES)
        ]
        incidents = [make("/v1/incidents", _incident(n, policies)) for n in range(INCIDENTS)]
        for incident in incidents:
            make(f"/v1/incidents/{incident['id']}/comments", {"body": "looked at it"})
        agents = [make("/v1/agents", _agent(number)) for number in range(AGENTS)]
        for agent in agents:
            make(f"/v1/agents/{agent['id']}/proposals", dict(_PROPOSAL))
        runbooks = [make("/v1/runbooks", _runbook(n))["id"] for n in range(RUNBOOKS)]
        runs = [make(f"/v1/runbooks/{one}/run", {})["run_id"] for one in runbooks]
        checks = [make("/v1/synthetics", _check(n, url))["id"] for n in range(CHECKS)]
        for check in checks:
            make(f"/v1/synthetics/{check}/run", {})
        prometheus = {"base_url": f"{url}/prometheus", "token": token}
        make("/v1/integrations/prometheus/connect", prometheus)
        firing = "/v1/alerts?firing=true&limit=200"

        def ids(path: str) -> list[str]:
            return [row["id"] for row in client.get(path).json()["data"]]

        _wait(lambda: len(ids(firing)) >= RULES // 2)
        _wait(lambda: len(ids("/v1/pages?limit=50")) >= INCIDENTS)
        _wait(lambda: len(ids("/v1/runs?status=succeeded&limit=50")) >= RUNBOOKS)
        _wait(lambda: all(ids(f"/v1/synthetics/{check}/results") for check in checks))

        return Content(
            start,
            end,
            users,
            [board["id"] for board in dashboards],
            [panel["id"] for board in dashboards for panel in board["panels"][:2]],
            [panel["id"] for board in dashboards for panel in board["panels"][2:]],
            rules,
            ids("/v1/alerts?limit=50"),
            ids("/v1/audit?limit=100"),
            [schedule["id"] for schedule in schedules],
            [incident["id"] for incident in incidents],
            [agent["id"] for agent in agents],
            policies,
            ids("/v1/pages?limit=50"),
            runbooks,
            runs,
            checks,
        )


def _schedule(number: int, users: list[str]) -> dict[str, Any]:
    layer = {
        "start": "2026-01-05T00:00:00Z",
        "rotation": {"type": "weekly", "hand_off": "mon 09:00"},
        "members": [users[(number + n) % len(users)] for n in range(4)],
    }
    return {"name": f"team-{number}", "timezone": "Europe/Berlin", "layers": [layer]}


def _policy(number: int, schedule: str) -> dict[str, Any]:
    step = {"wait": "1h", "targets": [{"type": "schedule", "id": schedule}]}
    return {"name": f"policy-{number}", "steps": [step]}


def _incident(number: int, policies: list[str]) -> dict[str, Any]:
    return {
        "title": f"Disturbance {number}",
        "severity": "sev3",
        "services": [f"service-{number % OBJECTIVES}"],
        "escalation_policy_id": policies[number % POLICIES],
    }


def _runbook(number: int) -> dict[str, Any]:
    step = {"type": "query", "name": "look", "expr": _ONE}
    return {"name": f"runbook-{number}", "service": f"service-{number}", "steps": [step]}


def _check(number: int, url: str) -> dict[str, Any]:
    """A check of this server, at a long interval, so that checks add little load."""
    target = f"{url}/healthz"
    return {"name": f"check-{number}", "type": "http", "target": target, "interval": "1h"}


def _agent(number: int) -> dict[str, Any]:
    return {"name": f"agent-{number}", "capabilities": ["deploy.*"]}


def _samples(client: httpx.Client) -> tuple[int, int]:
    first = fleet(COUNTERS, HOURS)
    shift = (int(time.time() * 1000) - first.end_ms) // INTERVAL_MS * INTERVAL_MS
    targets = tuple(replace(target, times=target.times + shift) for target in first.targets)
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    for message in remote_write_messages(Fleet(targets, HOURS), together=20):
        answer = client.post("/prometheus/api/v1/write", content=message, headers=headers)
        answer.raise_for_status()
    return (START_MS + shift) // 1000, (first.end_ms + shift) // 1000


def _service(number: int) -> dict[str, Any]:
    job = f'job="job-{number % JOBS}"'
    return {
        "name": f"service-{number}",
        "owner": f"team-{number % 7}",
        "tier": "2",
        "depends_on": [f"service-{number // 2}"] if number else [],
        "signals": {
            "traffic": f"sum(rate(http_requests_total{{{job}}}[5m]))",
            "errors": f'sum(rate(http_requests_total{{{job},status="500"}}[5m]))'
            f" / sum(rate(http_requests_total{{{job}}}[5m]))",
        },
    }


def _objective(number: int) -> dict[str, Any]:
    job = f'job="job-{number % JOBS}"'
    return {
        "objective": "0.99",
        "window": "30d",
        "indicator": {
            "type": "ratio",
            "bad": f'http_requests_total{{{job},status="500"}}',
            "total": f"http_requests_total{{{job}}}",
        },
    }


def _dashboard(number: int) -> dict[str, Any]:
    def panel(place: int, kind: str, expr: str, legend: str) -> dict[str, Any]:
        grid = {"x": 12 * (place % 2), "y": 8 * (place // 2), "w": 12, "h": 8}
        query = {"expr": expr, "legend": legend}
        return {"title": f"Panel {place}", "type": kind, "queries": [query], "grid": grid}

    return {
        "title": f"Dashboard {number}",
        "tags": ["load", f"team-{number % 7}"],
        "variables": [
            {
                "name": "job",
                "type": "query",
                "query": "label_values(capacity_requests, job)",
                "multi": True,
                "default": [f"job-{number % JOBS}"],
            }
        ],
        "panels": [
            panel(0, "timeseries", _SUM, "{{status}}"),
            panel(1, "timeseries", _P99, "p99"),
            panel(2, "stat", _ONE, ""),
            panel(3, "gauge", 'max(capacity_requests{job=~"$job"})', ""),
        ],
    }


def _rule(number: int) -> dict[str, Any]:
    fires = number % 2 == 0
    return {
        "name": f"Rule{number}",
        "expr": f'capacity_requests{{job="job-{number % JOBS}"}} > {0 if fires else 1e9}',
        "interval": "15s",
        "severity": "page" if number % 3 else "ticket",
        "service": f"service-{number}",
        "labels": {"team": f"team-{number % 7}"},
        "annotations": {"summary": "{{ $labels.instance }} has {{ $value }}"},
    }


def _wait(true: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the server is not ready in time"
        time.sleep(0.2)
