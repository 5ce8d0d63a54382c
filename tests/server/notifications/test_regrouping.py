"""Alerts are put into other groups some at a time, and none is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.clock import SteppedClock
from novaql.server.db.engine import StateDatabase
from novaql.server.notifications import dispatch
from novaql.server.notifications.tables import GroupMember, NotificationGroup
from novaql.server.tuning import Tuning
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server


@pytest.mark.slow
def test_regrouping_takes_several_transactions_and_keeps_every_alert(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most: list[int] = []
    write = StateDatabase.write

    @contextmanager
    def counted(self: StateDatabase, *arguments: Any, **named: Any) -> Iterator[Any]:
        with write(self, *arguments, **named) as session:
            yield session
            session.flush()
            found = session.info.get("joined", 0)
            most.append(found)

    joined = dispatch.join_groups

    def join(unit: Any, alerts: Any, rules: Any) -> None:
        unit.session.info["joined"] = unit.session.info.get("joined", 0) + len(alerts)
        joined(unit, alerts, rules)

    clock = SteppedClock(NOW)
    with local_server(clock=clock, tuning=Tuning(regrouped_at_once=3)) as server:
        rig = AlertRig(server, clock)
        rig.route_to_log(group_wait="1h")
        rig.rule()
        rig.now(**{f"i{number}": 0.0 for number in range(10)})
        before = rig.get("/v1/alert-routing")["version"]
        monkeypatch.setattr(StateDatabase, "write", counted)
        monkeypatch.setattr(dispatch, "join_groups", join)
        route = {"channels": ["log"], "group_by": ["instance"], "group_wait": "0s"}
        rig.post("/v1/alert-routing", {"route": route, "version": before}, 200)
        rig.server.run_jobs()
        with server.context.database.read(None) as session:
            members = session.execute(select(GroupMember.group_id, GroupMember.alert_id)).all()
            groups = session.execute(select(NotificationGroup.id)).scalars().all()
        told = rig.log()

    assert sum(most) == 10
    assert max(most) == 3
    assert len(members) == len({row[1] for row in members}) == 10
    assert {row[0] for row in members} == set(groups)
    assert len(groups) == 10
    assert sorted(told) == [("new_alerts", 1, 0)] * 10
