"""Rules are changed while an evaluation of them, or another change, has not committed."""

from __future__ import annotations

from threading import Thread
from typing import Any

import httpx
import pytest

from novaql.server.alert_rules import jobs, service
from novaql.server.notifications import dispatch
from tests.support.servers.alert_rig import AlertRig
from tests.support.servers.at_once import WAIT_S, beside_unit

pytestmark = pytest.mark.slow

_FILE = {"file": "nodes.yml"}
_GROUPS = "groups: [{name: nodes, interval: 15s, rules: [{alert: Down, expr: up == 0}]}]"


@pytest.mark.parametrize("change", ["delete", "pause", "import"])
def test_a_rule_is_changed_while_its_evaluation_ends(
    rig: AlertRig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: str,
) -> None:
    imported = change == "import"
    if imported:
        rig.post("/v1/alert-rules/import", {**_FILE, "document": _GROUPS}, status=200)
    else:
        rig.rule()
    (rule,) = rig.get("/v1/alert-rules")["data"]
    path = f"/v1/alert-rules/{rule['id']}"
    answers: list[httpx.Response] = []

    def ask() -> None:
        body: Any
        if imported:
            body = {**_FILE, "document": "groups: []"}
            answers.append(rig.ask("POST", "/v1/alert-rules/import", body))
        elif change == "pause":
            body = {"version": rule["version"], "paused": True, "channels": []}
            answers.append(rig.ask("PATCH", path, body))
        else:
            answers.append(rig.ask("DELETE", path))

    other = Thread(target=ask)

    def hold(unit: Any) -> None:
        if not other.ident and unit.session.get_bind().dialect.name == "postgresql":
            other.start()
            other.join(WAIT_S)
        dispatch.hold_groups(unit)

    monkeypatch.setattr(jobs, "hold_groups", hold)
    rig.now(a=0.0)
    if not other.ident:  # SQLite has one writer
        other.start()
    other.join()

    assert [answer.status_code for answer in answers] == [204 if change == "delete" else 200]
    assert "a job failed" not in caplog.text


def test_of_two_deletions_of_a_rule_one_finds_it(rig: AlertRig) -> None:
    rule = rig.rule()
    answer = beside_unit(
        rig.server,
        lambda unit: service.remove(unit, rule["id"]),
        lambda: rig.ask("DELETE", f"/v1/alert-rules/{rule['id']}"),
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "alert_rule_not_found")
    entries = rig.get("/v1/audit?action=alert_rule.delete")["data"]
    assert [entry["target"]["id"] for entry in entries if entry["outcome"] == "success"] == [
        rule["id"]
    ]
