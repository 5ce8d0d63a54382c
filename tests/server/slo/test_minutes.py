"""Objectives that count minutes: by the posture, and by their rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from novaql.language import parse
from novaql.rules.reading import read_rules
from novaql.server.clock import SteppedClock
from novaql.server.query.measure import Meter
from novaql.server.slo.posture import Posture, posture
from novaql.server.slo.rules import error_ratio, events
from novaql.server.slo.tables import Slo
from tests.support.servers.http_server import LocalServer, local_server

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
NAN = float("nan")
MINUTES = [NAN] * 20 + [0.9] * 10 + [0.1] * 29 + [float("inf")]
"""Of an hour: a third without requests, so that their ratio is 0/0, and 40 with a number."""


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(clock=SteppedClock(NOW)) as made:
        body = {"name": "api", "owner": "team", "tier": "tier1"}
        made.client.post("/v1/services", json=body, headers=made.bearer())
        end = int(NOW.timestamp() * 1000)
        samples = [(end - 60_000 * (59 - i), value) for i, value in enumerate(MINUTES)]
        nothing = [(at, NAN) for at, _ in samples]
        series = [({"__name__": "errors"}, samples), ({"__name__": "unknown"}, nothing)]
        assert made.write(series).status_code == 204
        yield made


def _number(server: LocalServer, expr: str) -> float:
    answer = server.prometheus("query", query=expr, time=NOW.timestamp()).json()
    ((_, text),) = [one["value"] for one in answer["data"]["result"]]
    return float(text)


@pytest.mark.parametrize(
    ("op", "good"), [("<", 29), ("<=", 29), (">", 11), (">=", 11), ("==", 0), ("!=", 40)]
)
def test_a_minute_with_nan_is_neither_good_nor_bad(server: LocalServer, op: str, good: int) -> None:
    indicator = {"type": "threshold", "expr": "errors", "op": op, "threshold": 0.5}
    body = {"name": f"op{len(op)}{ord(op[0])}", "objective": "0.5", "window": "1h"}
    answer = server.client.post(
        "/v1/slo/api", json={**body, "indicator": indicator}, headers=server.bearer()
    )
    assert answer.status_code == 201, answer.text
    found = answer.json()

    assert found["events"] == 40
    assert found["attainment"] == pytest.approx(good / 40)
    assert _number(server, events(indicator, "1h")) == 40
    assert _number(server, error_ratio(indicator, "1h")) == pytest.approx(1 - good / 40)


@pytest.mark.parametrize("op", ["<", ">", "!="])
def test_only_nan_is_no_data(server: LocalServer, op: str) -> None:
    indicator: dict[str, Any] = {"type": "threshold", "expr": "unknown", "op": op, "threshold": 1}
    body = {"name": f"no{ord(op[0])}", "objective": "0.9", "indicator": indicator}
    found = server.client.post("/v1/slo/api", json=body, headers=server.bearer()).json()

    assert (found["status"], found["events"], found["attainment"]) == ("no_data", 0, None)
    rules = server.client.get(f"/v1/slo/api/{body['name']}/rules", headers=server.bearer()).text
    assert "SLOBurnPage" in rules
    ratio = error_ratio(indicator, "1h")
    fires = server.prometheus("query", query=f"{ratio} > 0", time=NOW.timestamp()).json()
    assert fires["data"]["result"] == []


def test_rules_of_a_scalar_are_promql(server: LocalServer) -> None:
    """Prometheus has no subquery of a scalar."""
    indicator = {"type": "threshold", "expr": "scalar(errors)", "op": "<", "threshold": 0.5}
    body = {"name": "scalar", "objective": "0.5", "window": "1h", "indicator": indicator}
    found = server.client.post("/v1/slo/api", json=body, headers=server.bearer()).json()

    assert (found["events"], found["attainment"]) == (40, pytest.approx(29 / 40))
    rules = server.client.get("/v1/slo/api/scalar/rules", headers=server.bearer()).text
    exprs = [rule.expr for group in read_rules(rules, "rules.yml").groups for rule in group.rules]
    for expr in exprs:
        parse(str(expr), strict_promql=True)


def test_one_objective_is_measured_alone(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    indicator = {"type": "threshold", "expr": "errors", "op": "<", "threshold": 0.5}
    for name in ("first", "second"):
        body = {"name": name, "objective": "0.5", "window": "1h", "indicator": indicator}
        server.client.post("/v1/slo/api", json=body, headers=server.bearer())
    measured = []

    def watched(slo: Slo, meter: Meter) -> Posture:
        measured.append(slo.name)
        return posture(slo, meter)

    monkeypatch.setattr("novaql.server.slo.posture.posture", watched)
    for name, status in (("second", 200), ("third", 404)):
        answer = server.client.get(f"/v1/slo/api?slo={name}", headers=server.bearer())
        assert answer.status_code == status
    assert measured == ["second"]
