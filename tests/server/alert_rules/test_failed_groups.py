"""A group that cannot be evaluated says so of each of its rules, and why, until it can be."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.alert_rules import alert_store
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.clock import to_ms
from novaql.server.errors import Unavailable
from tests.support.servers.alert_rig import AlertRig

HOSTILE = {
    "nul": "a\0b",
    "nul_alone": "\0",
    "long": "x" * 5_000,
    "many_nul": "\0" * 300,
    "noncharacter": "\uffff\ufdd0",
    "bidi": "\u202eabc",
    "escaped": "\\u0000",
}


def _write(rig: AlertRig, *series: dict[str, str], value: float = 0) -> None:
    now = to_ms(rig.clock.now())
    answer = rig.server.write([({"__name__": "up", **labels}, [(now, value)]) for labels in series])
    assert answer.status_code == 204, answer.text


def _health(rig: AlertRig) -> list[tuple[str, str | None]]:
    return [(rule["health"], rule["last_error"]) for rule in rig.get("/v1/alert-rules")["data"]]


def _prometheus_health(rig: AlertRig) -> list[tuple[str, str]]:
    groups = rig.server.prometheus("rules").json()["data"]["groups"]
    return [
        (rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["instance", "service", "severity"])
def test_labels_of_any_text_are_alerts_that_read_back(rig: AlertRig, name: str) -> None:
    """On PostgreSQL one NUL in one label stopped the whole group without a word."""
    rig.route_to_log()
    rig.rule(auto_incident=True, annotations={"summary": "{{ $labels." + name + " }} is down"})
    rig.rule(name="recorded", type="recording", expr="sum by (instance, service, severity) (up)")
    _write(rig, *({name: text, "kind": kind} for kind, text in HOSTILE.items()))
    rig.now()
    rig.step()

    alerts = rig.alerts("?limit=100")
    assert {a["labels"]["kind"]: a["labels"][name] for a in alerts} == HOSTILE
    assert [health for health, _ in _health(rig)] == ["ok", "ok"]
    assert rig.log() == [("new_alerts", len(HOSTILE), 0)]
    for alert in alerts:
        shown = rig.get(f"/v1/alerts/{alert['id']}")
        assert shown["labels"][name] == HOSTILE[alert["labels"]["kind"]]
    incidents = rig.get("/v1/incidents?limit=100")["data"]
    assert sum(one["alert_count"] for one in incidents) == len(HOSTILE)
    _write(rig, *({name: text, "kind": kind} for kind, text in HOSTILE.items()), value=1)
    rig.step()
    _write(rig, *({name: text, "kind": kind} for kind, text in HOSTILE.items()), value=1)
    rig.step()
    assert {alert["state"] for alert in rig.alerts("?limit=100")} == {"resolved"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (RuntimeError("no luck\0"), "internal error: RuntimeError: no luck\0"),
        (MemoryError(), "MemoryError"),
        (Unavailable("the disk is full"), "the disk is full"),
        (ValueError("x" * 100_000), "internal error: ValueError: " + "x" * 972),
    ],
)
def test_each_rule_of_a_failed_group_shows_the_reason_until_it_succeeds(
    rig: AlertRig, monkeypatch: pytest.MonkeyPatch, problem: Exception, told: str
) -> None:
    rules = "[{record: a, expr: up}, {alert: b, expr: up == 0}]"
    document = f"groups: [{{name: g, interval: 15s, rules: {rules}}}]"
    rig.post("/v1/alert-rules/import", {"file": "f", "document": document}, 200)
    rig.rule(name="other")
    rig.now(x=1)
    assert [health for health, _ in _health(rig)] == ["ok", "ok", "ok"]

    def broken(*_: Any) -> None:
        raise problem

    with monkeypatch.context() as patched:
        patched.setattr(alert_store, "save", broken)
        rig.step(x=1)
        assert _health(rig) == [("err", told)] * 3
        assert _prometheus_health(rig) == [("err", told)] * 3
    rig.step(60, x=1)
    assert [health for health, _ in _health(rig)] == ["ok", "ok", "ok"]
    assert _health(rig)[0][1] in (None, "")


@pytest.mark.slow
def test_a_group_that_fails_for_long_is_tried_again_soon(
    one: AlertRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.rule()

    def broken(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(alert_store, "save", broken)
        for _ in range(40):
            one.step(60, x=1)
    one.step(60, x=1)
    assert [health for health, _ in _health(one)] == ["ok"]


def test_series_that_a_failing_group_may_have_written_are_noted_once(
    one: AlertRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.rule(name="recorded", type="recording", expr="up")

    def broken(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(alert_store, "save", broken)
        for _ in range(4):
            one.step(60, x=1)
    with one.server.context.database.read(None) as session:
        (group,) = session.execute(select(RuleGroup)).scalars()
        assert [*group.intended.values()] == [[{"__name__": "recorded", "instance": "x"}]]
