"""A channel is deleted while another request names it."""

from __future__ import annotations

import pytest

from novaql.server.alert_rules import service as rules
from novaql.server.alert_rules.schema import RuleBody
from tests.support.servers.alert_rig import AlertRig, down
from tests.support.servers.at_once import beside_unit

pytestmark = pytest.mark.slow


def test_a_channel_that_a_new_rule_names_is_not_deleted(rig: AlertRig) -> None:
    made = rig.post("/v1/notification-channels", {"name": "log", "type": "sink"})
    body = RuleBody.model_validate(down(channels=["log"]))
    answer = beside_unit(
        rig.server,
        lambda unit: rules.create(unit, body),
        lambda: rig.ask("DELETE", f"/v1/notification-channels/{made['id']}"),
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "channel_in_use")
