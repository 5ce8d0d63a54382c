"""An answer about samples is never from before a write that was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, to_ms
from novaql.server.query import measure as measuring
from tests.support.generators.random_samples import batch_of
from tests.support.servers.http_server import LocalServer, local_server

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
SLO = {
    "objective": "0.99",
    "window": "1h",
    "indicator": {"type": "ratio", "bad": 'calls_total{code="500"}', "total": "calls_total"},
    "min_events": 0,
}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """Figures are told again for an hour."""
    clock = SteppedClock(NOW)
    with local_server(clock=clock, slo_cache_ttl_s=3600) as made:
        body: dict[str, Any] = {"name": "api", "owner": "a", "tier": "1"}
        body |= {"signals": {"traffic": "sum(rate(calls_total[5m]))"}}
        made.client.post("/v1/services", json=body, headers=made.bearer()).raise_for_status()
        yield made


def calls(server: LocalServer, bad: float) -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
    """An hour of calls, of which a share is bad, that end now."""
    now = to_ms(server.context.clock.now())
    return [
        (
            {"__name__": "calls_total", "code": code},
            [(now - 60_000 * n, 1000.0 * share * (60 - n)) for n in range(60, -1, -1)],
        )
        for code, share in (("200", 1 - bad), ("500", bad))
    ]


def write(server: LocalServer, bad: float) -> None:
    assert server.write(calls(server, bad)).status_code == 204


def get(server: LocalServer, path: str) -> Any:
    answer = server.client.get(path, headers=server.bearer(Role.READ_ONLY))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_objectives_are_measured_after_the_samples_were_written(server: LocalServer) -> None:
    for name in ("a", "b"):
        if name == "b":
            write(server, 0.0)
        made = server.client.post(
            "/v1/slo/api", json={**SLO, "name": name}, headers=server.bearer()
        )
        assert made.status_code == 201, made.text
        assert made.json()["status"] == ("no_data" if name == "a" else "ok")
    assert [slo["status"] for slo in get(server, "/v1/slo/api")["slos"]] == ["ok", "ok"]
    assert get(server, "/v1/services/api/health")["signals"]["traffic"]["value"] > 0
    cast(SteppedClock, server.context.clock).step(timedelta(hours=2))
    write(server, 0.5)
    assert [slo["status"] for slo in get(server, "/v1/slo/api")["slos"]] == ["breached"] * 2
    assert [slo["status"] for slo in get(server, "/v1/slo")["data"]] == ["breached"] * 2

    gone = server.client.post(
        "/prometheus/api/v1/admin/tsdb/delete_series",
        params={"match[]": "calls_total"},
        headers=server.bearer(),
    )
    assert gone.status_code == 204
    assert [slo["status"] for slo in get(server, "/v1/slo")["data"]] == ["no_data"] * 2
    assert get(server, "/v1/services/api/health")["signals"]["traffic"]["value"] is None


def test_figures_follow_samples_that_no_client_wrote(server: LocalServer) -> None:
    """Such as those of scrapes, here with the delay that a scrape each second needs."""
    clock = cast(SteppedClock, server.context.clock)
    server.client.post("/v1/slo/api", json={**SLO, "name": "a"}, headers=server.bearer())
    assert get(server, "/v1/slo/api")["slos"][0]["status"] == "no_data"
    server.store.append(batch_of(calls(server, 0.5)))
    assert get(server, "/v1/slo/api")["slos"][0]["status"] == "no_data"
    clock.step(timedelta(seconds=10))
    assert get(server, "/v1/slo/api")["slos"][0]["status"] == "breached"


def test_without_writes_nothing_is_measured_again(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.client.post("/v1/slo/api", json={**SLO, "name": "a"}, headers=server.bearer())
    first = get(server, "/v1/slo/api")
    looks: list[str] = []
    real = measuring.measured

    def noted(context: Any, expr: str, at: datetime) -> Any:
        looks.append(expr)
        return real(context, expr, at)

    monkeypatch.setattr(measuring, "measured", noted)
    assert get(server, "/v1/slo/api") == first
    assert looks == []
    write(server, 0.0)
    get(server, "/v1/slo/api")
    assert looks
