"""Expressions of a user that are parts of the expressions of an objective."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from novaql.rules.reading import read_rules
from novaql.server.clock import SteppedClock
from tests.support.servers.http_server import LocalServer, local_server

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
MONTH = 30 * 86_400
RATIO = {"type": "ratio", "bad": 'requests_total{code="500"}', "total": "requests_total"}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server(clock=SteppedClock(NOW)) as made:
        body = {"name": "api", "owner": "team", "tier": "tier1"}
        answer = made.client.post("/v1/services", json=body, headers=made.bearer())
        assert answer.status_code == 201
        yield made


def _set(server: LocalServer, body: dict[str, Any]) -> httpx.Response:
    return server.client.post("/v1/slo/api", json=body, headers=server.bearer())


def _counter(server: LocalServer, code: str, total: float, os: str) -> None:
    """A counter that grows evenly to `total` over the last month."""
    end = NOW.timestamp()
    labels = {"__name__": "requests_total", "code": code, "os": os}
    samples = [(int((end - MONTH + i * 3600) * 1000), total * i / 720) for i in range(721)]
    assert server.write([(labels, samples)]).status_code == 204


def test_label_values_that_look_like_placeholders(server: LocalServer) -> None:
    for code, count in (("200", 900), ("500", 100)):
        _counter(server, code, count, os="WINDOWS")
        _counter(server, code, count, os="linux")
    bad = 'requests_total{os="WINDOWS",code="500"}'
    made = _set(
        server, {"objective": "0.99", "indicator": {**RATIO, "bad": bad}, "name": "of-windows"}
    )

    assert made.json()["attainment"] == 0.95
    assert made.json()["status"] == "breached"


def _lists_answer(server: LocalServer) -> None:
    for path in (
        "/v1/slo",
        "/v1/alert-rules",
        "/prometheus/api/v1/rules",
        "/v1/services/api/health",
    ):
        answer = server.client.get(path, headers=server.bearer())
        assert answer.status_code == 200, f"{path}: {answer.text}"


@pytest.mark.parametrize(
    "indicator",
    [
        {
            "type": "latency",
            "histogram": '{"http.server.duration",service="api"}',
            "threshold": 0.5,
        },
        {"type": "ratio", "bad": "bad_total # some", "total": "http_total # all requests"},
        {"type": "threshold", "expr": "up # now", "op": "<", "threshold": 1},
    ],
)
def test_expressions_that_are_parts_of_others(
    server: LocalServer, indicator: dict[str, Any]
) -> None:
    made = _set(server, {"objective": "0.99", "indicator": indicator})

    assert made.status_code == 201, made.text
    server.run_jobs()
    _lists_answer(server)
    (found,) = server.client.get("/v1/slo/api", headers=server.bearer()).json()["slos"]
    assert not any("cannot be evaluated" in text for text in found["warnings"])
    exported = server.client.get(f"/v1/slo/api/{found['name']}/rules", headers=server.bearer())
    assert read_rules(exported.text, "rules.yml").groups


@pytest.mark.parametrize("depth", [90, 96, 97, 98, 99, 120])
def test_deep_expressions_are_refused_or_can_be_evaluated(server: LocalServer, depth: int) -> None:
    expr = "-(" * depth + "up" + ")" * depth
    threshold = {"type": "threshold", "expr": expr, "op": "<", "threshold": 1}
    made = _set(server, {"objective": "0.99", "indicator": threshold})

    assert made.status_code in (201, 400, 422), made.text
    found = server.client.get("/v1/slo/api", headers=server.bearer()).json()["slos"]
    assert len(found) == (made.status_code == 201)
    server.run_jobs()
    _lists_answer(server)


@pytest.mark.parametrize("expr", ["let m = up in avg(m)", "AVG(ABS(up))", "up |> ABS |> avg"])
def test_extensions_in_an_expression(server: LocalServer, expr: str) -> None:
    threshold = {"type": "threshold", "expr": expr, "op": "<", "threshold": 1}
    made = _set(server, {"objective": "0.99", "indicator": threshold})

    assert made.status_code == 201, made.text
    server.run_jobs()
    _lists_answer(server)


def test_an_expression_that_is_no_number(server: LocalServer) -> None:
    threshold = {"type": "threshold", "expr": "let m = up in m[5m]", "op": "<", "threshold": 1}
    made = _set(server, {"objective": "0.99", "indicator": threshold})

    assert made.status_code in (400, 422)
    assert "range vector" in made.text
