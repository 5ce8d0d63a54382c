"""How long an incident waited for an acknowledgement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from novaql.server.clock import SteppedClock
from tests.support.servers.alert_rig import NOW, AlertRig
from tests.support.servers.http_server import local_server


@pytest.fixture
def one() -> Iterator[AlertRig]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        yield AlertRig(server, clock)


@pytest.mark.parametrize(("waited_s", "again"), [(60, True), (60, False), (7200, True)])
def test_the_first_acknowledgement_counts_also_if_it_expires(
    one: AlertRig, waited_s: int, *, again: bool
) -> None:
    user = one.get("/v1/users")["data"][0]["id"]
    steps = [{"wait": "5m", "targets": [{"type": "user", "id": user}]}]
    policy = one.post("/v1/escalation-policies", {"name": "p", "steps": steps, "ack_timeout": "1h"})
    body: dict[str, Any] = {"title": "errors", "severity": "sev2", "services": []}
    made = one.post("/v1/incidents", {**body, "escalation_policy_id": policy["id"]})
    path = f"/v1/incidents/{made['id']}"
    one.step(waited_s)
    one.post(f"{path}/ack", None, 200)
    one.step(5)
    one.step(3 * 3600)
    assert one.get(path)["status"] == "triggered"
    if again:
        one.post(f"{path}/ack", None, 200)
    one.post(f"{path}/resolve", {"note": "over"}, 200)
    found = one.get(f"{path}/postmortem")
    items = [item for item in found["action_items"] if "not acknowledged" in item["text"]]

    if waited_s == 60:
        assert items == []
        return
    (item,) = items
    assert "was not acknowledged for 2h." in item["text"]
    by_id = {entry["id"]: entry for entry in found["timeline"]}
    cited = [(by_id[key]["type"], by_id[key]["at"]) for key in item["evidence"]]
    assert cited == [("triggered", made["created_at"]), ("acknowledged", "2026-04-01T14:00:00Z")]
