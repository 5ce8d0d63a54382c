"""Burn alerts as rules say what the posture says, for every kind of indicator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.slo.rules import alert_rules
from novaql.server.slo.tables import Slo
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
MINUTES = range(-90, 1)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """In each of 90 minutes: 10 requests, of which 3 are slow or fail."""
    with local_server(clock=SteppedClock(NOW)) as made:
        times = [((NOW_S + 60 * minute) * 1000, minute + 90) for minute in MINUTES]
        counters = {
            ("r", "200"): 7.0,
            ("r", "500"): 3.0,
        }
        series: list[Any] = [
            ({"__name__": name, "code": code}, [(t, each * n) for t, n in times])
            for (name, code), each in counters.items()
        ]
        for le, each in (("0.5", 7.0), ("1", 10.0), ("+Inf", 10.0)):
            series.append(
                ({"__name__": "took_bucket", "le": le}, [(t, each * n) for t, n in times])
            )
        series.append(({"__name__": "took_count"}, [(t, 10.0 * n) for t, n in times]))
        series.append(({"__name__": "depth"}, [(t, 1.0 if n % 10 < 7 else 9.0) for t, n in times]))
        assert made.write(series).status_code == 204
        message = message_of([({"__name__": "native"}, [])])
        for time, n in times:
            one = message.timeseries[0].histograms.add(
                schema=0, count_int=10 * n, sum=1.0, timestamp=time
            )
            if n:  # the buckets (0.25, 0.5] and (0.5, 1]
                one.positive_spans.add(offset=-1, length=2)
                one.positive_deltas.extend([7 * n, 3 * n - 7 * n])
        answer = made.client.post(
            "/api/v1/write",
            content=packed(message),
            headers=WRITE_HEADERS | made.bearer(Role.OPERATOR),
        )
        assert answer.status_code == 204, answer.text
        body = {"name": "api", "owner": "team", "tier": "tier1"}
        made.client.post("/v1/services", json=body, headers=made.bearer())
        yield made


INDICATORS: dict[str, dict[str, Any]] = {
    "bad": {"type": "ratio", "bad": 'r{code="500"}', "total": "r"},
    "good": {"type": "ratio", "good": 'r{code="200"}', "total": "r"},
    "classic": {"type": "latency", "histogram": "took", "threshold": 0.5},
    "native": {"type": "latency", "histogram": "native", "threshold": 0.5},
    "threshold": {"type": "threshold", "expr": "max(depth)", "op": "<", "threshold": 5.0},
    "nothing": {"type": "ratio", "bad": "nothing", "total": "nothing_else"},
}


def fires(server: LocalServer, name: str, **fields: Any) -> list[bool]:
    """Of each severity, by the rules."""
    slo = Slo(
        service="api",
        name=name,
        objective=fields.get("objective", "0.99"),
        window={"rolling": fields.get("window", "30d")},
        indicator=INDICATORS[name],
        min_events=fields.get("min_events", 0),
    )
    found = []
    for rule in alert_rules(slo):
        answer = server.prometheus("query", query=rule["expr"], time=NOW_S)
        assert answer.status_code == 200, answer.text
        found.append(bool(answer.json()["data"]["result"]))
    return found


@pytest.mark.parametrize(
    ("objective", "min_events"),
    [("0.99", 0), ("0.99", 500), ("0.99", 100_000), ("0.9", 0), ("0.5", 0)],
)
@pytest.mark.parametrize("name", INDICATORS)
def test_rules_and_posture_agree(
    server: LocalServer, name: str, objective: str, min_events: int
) -> None:
    label = f"{name}-{objective}-{min_events}"
    body = {
        "name": label,
        "objective": objective,
        "indicator": INDICATORS[name],
        "min_events": min_events,
    }
    made = server.client.post("/v1/slo/api", json=body, headers=server.bearer())
    assert made.status_code == 201, made.text
    told = [alert["firing"] for alert in made.json()["alerts"]]

    assert fires(server, name, objective=objective, min_events=min_events) == told
    if name not in ("nothing", "threshold"):
        assert told[0] is (objective == "0.99" and min_events <= 500)


@pytest.mark.parametrize(("window", "page"), [("1h", False), ("6h", False), ("1d", True)])
def test_short_objectives_agree_too(server: LocalServer, window: str, page: bool) -> None:
    """Three of ten requests fail: far above the pace of any window that is long enough."""
    body = {"name": window, "objective": "0.99", "window": window, "indicator": INDICATORS["bad"]}
    made = server.client.post("/v1/slo/api", json=body, headers=server.bearer())
    assert made.status_code == 201, made.text
    told = {alert["severity"]: alert["firing"] for alert in made.json()["alerts"]}

    assert told["page"] is page
    found = fires(server, "bad", objective="0.99", window=window)
    assert all(found)
    assert len(found) == sum(told.values())
