"""Alerts join groups while other workers flush these groups or create the same ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from novaql.server.alert_rules import transitions
from novaql.server.notifications import dispatch
from tests.support.servers.alert_rig import NOW, AlertRig

WAIT_S = 1.0
"""How long the other worker may run meanwhile. If it waits for the transaction, it needs longer."""


@contextmanager
def other_worker(
    rig: AlertRig, monkeypatch: pytest.MonkeyPatch, *, after: float = 0, joined: bool
) -> Iterator[None]:
    """Let another worker run due jobs during the transaction in which the next alerts join groups.

    after   seconds by which the clock advances for it
    joined  whether it runs after the alerts have joined, or before
    """
    started: list[threading.Thread] = []
    join_groups = dispatch.join_groups

    def run() -> None:
        rig.clock.step(timedelta(seconds=after))
        rig.server.runner.run_due()

    def in_order(unit: Any, *steps: Callable[[], Any]) -> None:
        for step in steps:
            step()
            unit.session.flush()

    def start() -> None:
        started.append(threading.Thread(target=run))
        started[0].start()
        started[0].join(WAIT_S)

    def join(unit: Any, alerts: Any, rules: Any) -> None:
        def own() -> None:
            join_groups(unit, alerts, rules)

        if started or unit.session.get_bind().dialect.name != "postgresql":
            own()
        elif joined:
            in_order(unit, own, start)
        else:
            in_order(unit, start, own)

    monkeypatch.setattr(transitions, "join_groups", join)
    yield
    for thread in started:
        thread.join()


def health(rig: AlertRig) -> list[tuple[str, str | None]]:
    rules = rig.get("/v1/alert-rules")["data"]
    return [(one["health"], one["last_error"]) for one in rules]


def test_an_alert_joins_a_group_that_is_flushed(
    rig: AlertRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.route_to_log(group_by=[], group_wait="1m")
    rig.rule(expr="up < 1")
    rig.now(a=0.0)
    with other_worker(rig, monkeypatch, after=45, joined=False):
        rig.step(15, a=0.5, b=0.0)
    rig.step(45 if rig.clock.now() < NOW + timedelta(seconds=60) else 0)

    assert health(rig) == [("ok", None)]
    assert rig.log() == [("new_alerts", 2, 0)]


def test_two_rules_begin_the_same_group(rig: AlertRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.route_to_log(group_by=[], group_wait="15s")
    for name in ("First", "Second"):
        rig.rule(name=name)
    with other_worker(rig, monkeypatch, joined=True):
        rig.now(a=0.0)

    assert health(rig) == [("ok", None)] * 2
    rig.step(15, a=0.0)
    assert rig.log() == [("new_alerts", 2, 0)]
