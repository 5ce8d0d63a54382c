"""Series share a long label in the store, but each alert and recorded series has a copy of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from novaql.server.alert_rules.text_budget import TextBudget
from novaql.server.clock import SteppedClock
from novaql.server.tuning import Tuning
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database

LONG = f'label_replace(up{{instance=~"[a-g]"}}, "l", "{"x" * 1500}", "", "")'
SIX = dict.fromkeys("abcdef", 1.0)


SMALL = Tuning(alert_text=2_000, group_text=10_000, alerts_text=15_000, usual_group_text=100)


@pytest.fixture(params=KINDS)
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertRig]:
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(
            clock=clock, database=database, tuning=SMALL, query_memory_bytes=60_000
        ) as server,
    ):
        yield AlertRig(server, clock)


def health(rig: AlertRig, rule: dict[str, str]) -> str:
    shown = rig.get(f"/v1/alert-rules/{rule['id']}")
    assert bool(shown["last_error"]) == (shown["health"] == "err")
    if shown["last_error"]:
        assert "labels and annotations are too long" in shown["last_error"]
    return str(shown["health"])


def test_too_long_alerts_are_none(one: AlertRig) -> None:
    rule = one.rule(expr=LONG)
    one.now(**SIX)
    assert health(one, rule) == "ok"
    assert one.states() == dict.fromkeys("abcdef", "firing")
    one.step(**SIX, g=1.0)

    assert health(one, rule) == "err"
    assert one.states() == dict.fromkeys("abcdef", "resolved")
    one.step(315)
    one.step(a=1.0)
    assert health(one, rule) == "ok"
    assert one.states()["a"] == "firing"


def test_a_page_of_alerts_has_a_limit_of_text() -> None:
    clock, pages, path = SteppedClock(NOW), [], "/v1/alerts"
    with local_server(clock=clock, tuning=Tuning(alerts_page_text=4_000)) as server:
        rig = AlertRig(server, clock)
        rig.rule(expr=LONG)
        rig.now(**SIX)
        while path:
            page = rig.get(path)
            pages.append([alert["id"] for alert in page["data"]])
            path = f"/v1/alerts?cursor={page['next_cursor']}" if "next_cursor" in page else ""

    assert [len(ids) for ids in pages] == [2, 2, 2]
    assert len({id for ids in pages for id in ids}) == 6


def test_annotations_count(one: AlertRig) -> None:
    rule = one.rule(expr="up", annotations={"a": "y" * 1500})
    one.now(**SIX)
    assert health(one, rule) == "ok"
    one.step(**SIX, g=1.0)

    assert health(one, rule) == "err"


def test_one_too_long_alert_is_refused(one: AlertRig) -> None:
    rule = one.rule(expr=LONG, annotations={"a": "y" * 500})
    one.now(a=1.0)

    assert health(one, rule) == "err"
    assert one.states() == {}


def test_too_long_recorded_series_are_none(one: AlertRig) -> None:
    rule = one.rule(expr=LONG, type="recording", name="r:s")
    one.now(**SIX)
    assert health(one, rule) == "ok"
    assert len(one.series("r:s")) == 6
    one.step(**SIX, g=1.0)

    assert health(one, rule) == "err"
    assert one.series("r:s") == []


def test_alerts_of_all_groups_count_together(one: AlertRig) -> None:
    rules = []
    for name in ("One", "Two"):
        rules.append(one.rule(expr=LONG, name=name))
        one.step(**SIX)
    assert [health(one, rule) for rule in rules] == ["ok", "err"]

    one.step(**SIX)
    assert [health(one, rule) for rule in rules] == ["ok", "err"]
    assert {alert["labels"]["alertname"] for alert in one.alerts()} == {"One"}


@pytest.mark.parametrize("kind", ["alerting", "recording"])
def test_what_an_error_retains_counts(one: AlertRig, kind: str) -> None:
    """The second rule of the group fails, but what it retains is too much beside the first."""
    named = {"alert": "S"} if kind == "alerting" else {"record": "r:s"}
    once = 'vector(1) * on () group_left () up{instance=~"bad.*"}'
    rules = [
        {"alert": "First", "expr": f'{LONG} and on () up{{instance="go"}}'},
        {"expr": f"{LONG} and on () ({once})", **named},
    ]
    groups = {"groups": [{"name": "g", "interval": "15s", "rules": rules}]}
    one.post("/v1/alert-rules/import", {"file": "f", "document": json.dumps(groups)}, 200)
    first, second = sorted(one.get("/v1/alert-rules")["data"], key=lambda rule: rule["name"])
    if kind == "alerting":
        assert (first["name"], second["name"]) == ("First", "S")

    def held() -> tuple[int, int]:
        firing = [alert["name"] for alert in one.alerts("?firing=true")]
        recorded = len(one.series("r:s"))
        return firing.count("First"), firing.count("S") if kind == "alerting" else recorded

    one.now(**SIX, bad=1.0)
    assert held() == (0, 6)
    one.step(**SIX, bad=1.0, bad2=1.0)
    assert "duplicate" in one.get(f"/v1/alert-rules/{second['id']}")["last_error"]
    assert held() == (0, 6)
    one.step(**SIX, bad=1.0, bad2=1.0, go=1.0)

    assert health(one, first) == "ok"
    assert "duplicate" in one.get(f"/v1/alert-rules/{second['id']}")["last_error"]
    assert held() == (6, 0)


def test_lists_of_alerts_reserve_their_memory(one: AlertRig) -> None:
    one.rule(expr=LONG)
    one.now(a=1.0)
    alerts, groups = (one.get(f"/prometheus/api/v1/{path}")["data"] for path in ("alerts", "rules"))
    assert len(alerts["alerts"]) == len(groups["groups"][0]["rules"][0]["alerts"]) == 1
    one.step(**SIX)

    for path in ("alerts", "rules"):
        answer = one.ask("GET", f"/prometheus/api/v1/{path}")
        assert answer.status_code == 422
        assert "the list of alerts needs" in answer.text


def test_a_budget_asks_for_the_alerts_of_the_tenant_only_if_a_group_grows() -> None:
    asked = []

    def stored() -> int:
        asked.append(1)
        return 14_000

    budget = TextBudget(2_000, stored, SMALL)
    assert budget.takes(2_000)
    assert not asked
    assert budget.takes(1_000)
    assert not budget.takes(1)
    assert budget.takes(0)
    assert asked == [1]
