"""The history of an objective, and the windows of its exported rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from novaql.rules.reading import read_rules
from novaql.server.clock import SteppedClock
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.state_databases import KINDS, state_database

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
RATIO = {"type": "ratio", "bad": "bad_total", "total": "requests_total"}


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(NOW)


@pytest.fixture(params=KINDS)
def server(
    clock: SteppedClock, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[LocalServer]:
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database) as made,
    ):
        body = {"name": "api", "owner": "team", "tier": "tier1"}
        made.client.post("/v1/services", json=body, headers=made.bearer())
        yield made


def _set(server: LocalServer, objective: str, version: int | None = None, **body: str) -> None:
    given = {"objective": objective, "indicator": RATIO, "version": version, **body}
    answer = server.client.post("/v1/slo/api", json=given, headers=server.bearer())
    assert answer.status_code in (200, 201), answer.text


@pytest.mark.parametrize("step_s", [0, -3600, 60], ids=["same", "back", "forward"])
def test_terms_follow_one_another_whatever_the_clock_does(
    server: LocalServer, clock: SteppedClock, step_s: int
) -> None:
    for version, objective in enumerate(("0.9", "0.95", "0.99", "0.999")):
        _set(server, objective, version or None)
        clock.step(timedelta(seconds=step_s))
    path = "/v1/slo/api/availability/history"
    terms = server.client.get(path, headers=server.bearer()).json()["terms"]

    assert [one["objective"] for one in terms] == ["0.999", "0.99", "0.95", "0.9"]
    assert terms[0]["valid_until"] is None
    for later, earlier in pairwise(terms):
        assert earlier["valid_from"] <= earlier["valid_until"] == later["valid_from"]


@pytest.mark.parametrize(
    ("window", "period"),
    [
        ("1h", "1h"),
        ("1d", "1d"),
        ("36h", "36h"),
        ("1h30m", "90m"),
        ("1d30m", "1470m"),
        ("4w", "28d"),
    ],
)
def test_rules_have_the_window_of_the_objective_once(
    server: LocalServer, window: str, period: str
) -> None:
    _set(server, "0.99", window=window)
    text = server.client.get("/v1/slo/api/availability/rules", headers=server.bearer()).text
    rules = {
        rule.name: rule.expr
        for group in read_rules(text, "rules.yml").groups
        for rule in group.rules
    }
    names = Counter(
        rule.name for group in read_rules(text, "rules.yml").groups for rule in group.rules
    )

    assert set(names.values()) == {1}
    assert f"requests_total[{period}]" in str(rules[f"slo:sli_error:ratio_rate{period}"])
    assert f"ratio_rate{period}{{" in str(rules["slo:period_burn_rate:ratio"])
