"""Latency objectives whose histogram has no current sample: its target is gone, or was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as made:
        body = {"name": "api", "owner": "team", "tier": "tier1"}
        made.client.post("/v1/services", json=body, headers=made.bearer())

        def series(name: str, last: float, **labels: str) -> Any:
            return ({"__name__": name, **labels}, [(NOW_MS - 600_000, 0.0), (NOW_MS, last)])

        message = message_of(
            [
                series("took_bucket", 800.0, le="0.1"),
                series("took_bucket", 900.0, le="1"),
                series("took_bucket", 1000.0, le="+Inf"),
                series("took_count", 1000.0),
            ]
        )
        native = message.timeseries.add()
        native.labels.add(name="__name__", value="native")
        for at_ms, count in ((NOW_MS - 600_000, 0), (NOW_MS, 100)):
            one = native.histograms.add(count_int=count, sum=1.0, schema=0, timestamp=at_ms)
            one.zero_threshold = 1e-128
            one.positive_spans.add(offset=-3, length=2)  # to 0.125 and to 0.25
            one.positive_deltas.extend([9 * count // 10, count // 10 - 9 * count // 10])
        answer = made.client.post(
            "/api/v1/write",
            content=packed(message),
            headers=WRITE_HEADERS | made.bearer(Role.OPERATOR),
        )
        assert answer.status_code == 204, answer.text
        clock.step(timedelta(hours=1))
        yield made


@pytest.mark.parametrize(
    ("histogram", "threshold", "window", "attainment"),
    [
        ("took", 1, "6h", 0.9),
        ("took", 0.1, "6h", 0.8),
        ("took", 0.55, "6h", 0.85),
        ("native", 0.125, "6h", 0.9),
    ],
)
def test_the_window_still_has_its_events(
    server: LocalServer, histogram: str, threshold: float, window: str, attainment: float
) -> None:
    indicator = {"type": "latency", "histogram": histogram, "threshold": threshold}
    body = {"name": f"{histogram}-{threshold}", "objective": "0.5", "window": window}
    answer = server.client.post(
        "/v1/slo/api", json={**body, "indicator": indicator}, headers=server.bearer()
    )
    found = answer.json()

    assert found["attainment"] == pytest.approx(attainment), found
    assert found["status"] == "ok"


def test_bounds_are_searched_in_the_longest_window_that_is_counted(server: LocalServer) -> None:
    """The objective has no event in its own hour; its burn windows have."""
    indicator = {"type": "latency", "histogram": "took", "threshold": 1}
    body = {"name": "hour", "objective": "0.8", "window": "1h", "indicator": indicator}
    found = server.client.post("/v1/slo/api", json=body, headers=server.bearer()).json()

    assert (found["status"], found["events"]) == ("no_data", 0)
    assert found["burn_rates"]["6h"] == pytest.approx(0.5)
    assert [one["firing"] for one in found["alerts"]] == [False, False]
