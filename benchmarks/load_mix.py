"""The mix: the reads of a console, Grafana and scripts, and how often each is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import orjson

from benchmarks.datasets import COUNTERS as PER_TARGET
from benchmarks.datasets import JOBS
from benchmarks.load_content import COUNTERS, OBJECTIVES, SERVICES, Content

_BUCKET = "http_request_duration_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Read:
    """One kind of read: `targets` are requested in turn, with `bodies` if there are any."""

    name: str
    weight: int
    targets: Sequence[str]
    bodies: Sequence[bytes] = ()


def reads(content: Content) -> list[Read]:
    """All reads of the mix. Names begin with the part of the platform that answers."""
    return [*_lists(), *_single(content), *_measured(content), *_queries(content), *_names(content)]


def _lists() -> list[Read]:
    def of(name: str, weight: int, target: str) -> Read:
        return Read(f"list {name}", weight, [f"GET /v1/{target}"])

    return [
        of("users", 1, "users?limit=20"),
        of("tokens", 1, "tokens?limit=20"),
        of("services", 2, "services?limit=20"),
        of("dashboards", 2, "dashboards?limit=20"),
        of("rules", 2, "alert-rules?limit=20"),
        of("alerts that fire", 3, "alerts?firing=true&limit=20"),
        of("silences", 1, "silences?state=active"),
        of("notifications", 1, "notifications?limit=20"),
        of("audit", 2, "audit?limit=20"),
        of("webhooks", 1, "webhooks"),
        of("incidents", 2, "incidents?status=open&limit=20"),
        of("users on call", 2, "oncall?limit=20"),
        of("agents", 1, "agents?limit=20"),
        of("policies", 1, "escalation-policies?limit=20"),
        of("escalations", 1, "escalations?limit=20"),
        of("pages", 2, "pages?limit=20"),
        of("runbooks", 1, "runbooks?limit=20"),
        of("runs", 2, "runs?limit=20"),
        of("checks", 2, "synthetics?limit=20"),
        of("integrations", 1, "integrations"),
        of("targets imported", 1, "integrations/prometheus/resources?limit=20"),
    ]


def _single(content: Content) -> list[Read]:
    def of(name: str, weight: int, path: str, ids: Sequence[str]) -> Read:
        return Read(f"one {name}", weight, [f"GET /v1/{path}/{one}" for one in ids])

    return [
        of("service", 2, "services", [f"service-{n}" for n in range(SERVICES)]),
        of("dashboard", 3, "dashboards", content.dashboards),
        of("rule", 1, "alert-rules", content.rules),
        of("alert", 2, "alerts", content.alerts),
        of("audit entry", 1, "audit", content.entries),
        of("user", 1, "users", content.users),
        of("incident", 2, "incidents", content.incidents),
        of("timeline", 1, "incidents", [f"{one}/timeline" for one in content.incidents]),
        of("schedule", 1, "oncall/schedules", content.schedules),
        of("month of shifts", 1, "oncall/schedules", [f"{s}/shifts" for s in content.schedules]),
        of("agent", 1, "agents", content.agents),
        of("policy", 1, "escalation-policies", content.policies),
        of("page", 1, "pages", content.pages),
        of("contact methods", 1, "users", [f"{one}/contact-methods" for one in content.users]),
        of("runbook", 1, "runbooks", content.runbooks),
        of("run", 1, "runs", content.runs),
        of("check", 1, "synthetics", content.checks),
        of("check's results", 1, "synthetics", [f"{one}/results" for one in content.checks]),
        of("check's uptime", 1, "synthetics", [f"{one}/uptime" for one in content.checks]),
        of("ledger", 1, "agents", [f"{one}/audit" for one in content.agents]),
    ]


def _measured(content: Content) -> list[Read]:
    def of(name: str, weight: int, targets: Sequence[str]) -> Read:
        return Read(f"measured {name}", weight, [f"GET /v1/{target}" for target in targets])

    services = [f"service-{n}" for n in range(OBJECTIVES)]
    return [
        of("panel, series", 4, [f"panels/{one}/data" for one in content.series_panels]),
        of("panel, number", 2, [f"panels/{one}/data" for one in content.stat_panels]),
        of("variables", 1, [f"dashboards/{one}/variables" for one in content.dashboards]),
        of("health", 1, [f"services/{one}/health" for one in services]),
        of("graph", 1, [f"services/{one}/dependencies?depth=2" for one in services]),
        of("objective", 1, [f"slo/{one}" for one in services]),
        of("postmortem", 1, [f"incidents/{one}/postmortem" for one in content.incidents[:5]]),
    ]


def _queries(content: Content) -> list[Read]:
    start, end = content.start + 600, content.end
    instances = [f"host-{n:04d}:8080" for n in range(COUNTERS // PER_TARGET)]
    jobs = [f"job-{n}" for n in range(JOBS)]
    base = "GET /prometheus/api/v1"

    def body(query: str, **when: int | str) -> bytes:
        return orjson.dumps({"query": query, **when})

    sums = [quote(f'sum(rate(http_requests_total{{job="{job}"}}[5m]))') for job in jobs]
    buckets = [f'{_BUCKET}{{instance="{one}",le="1",handler="/"}}' for one in instances]
    window: dict[str, int | str] = {"start": start, "end": end, "step": "1m"}
    return [
        Read(
            "query instant, 50 series",
            3,
            ["POST /v1/novaql"],
            [body(f'http_requests_total{{instance="{one}"}}', time=end) for one in instances],
        ),
        Read(
            "query range, 1 series",
            3,
            ["POST /v1/novaql"],
            [body(f"rate({one}[5m])", **window) for one in buckets],
        ),
        Read(
            "query range, sum of 100",
            2,
            [f"{base}/query_range?query={one}&start={start}&end={end}&step=60" for one in sums],
        ),
        Read("query count", 2, [f"{base}/query?query=count(capacity_requests)&time={end}"]),
    ]


def _names(content: Content) -> list[Read]:
    base = "GET /prometheus/api/v1"
    when = f"start={content.start}&end={content.end}"
    match = quote('http_requests_total{job="job-1",status="500"}')
    return [
        Read("names labels", 1, [f"{base}/labels"]),
        Read("names values", 2, [f"{base}/label/job/values", f"{base}/label/instance/values"]),
        Read("names series", 1, [f"{base}/series?match[]={match}&{when}"]),
    ]


def requests_of(
    mix: Sequence[Read], count: int, token: str, seed: int = 7
) -> list[tuple[str, bytes]]:
    """Requests of a mix as they are sent, in a random order that is the same for a seed."""
    weights = np.array([read.weight for read in mix], dtype=float)
    random = np.random.default_rng(seed)
    made = []
    for which in random.choice(len(mix), count, p=weights / weights.sum()):
        read = mix[which]
        target = read.targets[random.integers(len(read.targets))]
        head = f"{target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        body = b""
        if read.bodies:
            body = read.bodies[random.integers(len(read.bodies))]
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        made.append((read.name, head.encode() + b"\r\n" + body))
    return made
