"""Rules and notifications go on when the clock is set back, or forward and back."""

from __future__ import annotations

import pytest

from novaql.server.clock import rfc3339
from tests.support.servers.alert_rig import AlertRig

pytestmark = pytest.mark.slow

HOUR = 3600


@pytest.mark.parametrize("jumps", [(-HOUR,), (HOUR, -HOUR), (-86_400,), (-30,)])
def test_rules_are_evaluated_and_alerts_come_and_go(rig: AlertRig, jumps: tuple[int, ...]) -> None:
    rig.route_to_log(group_interval="15s", repeat_interval="1m")
    rig.rule(**{"for": "30s"})
    rig.now(a=0, b=1)
    for _ in range(4):
        rig.step(15, a=0, b=1)
    assert rig.states() == {"a": "firing"}
    for jump in jumps:
        rig.step(jump, a=0, b=0)
    evaluations = []
    for _ in range(5):
        rig.step(15, a=0, b=0)
        evaluations.append(rig.get("/v1/alert-rules")["data"][0]["last_evaluated_at"])
    assert rig.states() == {"a": "firing", "b": "firing"}
    assert len(set(evaluations[1:])) == 4
    for _ in range(8):
        rig.step(15, a=1, b=1)
    assert rig.states() == {"a": "resolved", "b": "resolved"}
    assert [why for why, _, _ in rig.log("?limit=100")].count("all_resolved") == 1


def test_an_alert_that_was_pending_fires_after_its_time(one: AlertRig) -> None:
    one.rule(**{"for": "60s"})
    one.now(a=0)
    one.step(15, a=0)
    one.step(-HOUR, a=0)
    for _ in range(6):
        one.step(15, a=0)
    assert one.states() == {"a": "firing"}
    assert one.alert()["started_at"] <= rfc3339(one.clock.now())
