"""Checks over HTTP: create, list, run, results, uptime, delete."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.synthetics.conftest import Lab
from tests.support.peers.probed import answering, http, probed


def test_a_check_runs_on_its_schedule_and_is_shown(lab: Lab) -> None:
    with probed(answering(http(200, b'{"ok": true}'))) as peer:
        assertion = {"source": "json", "op": "equals", "path": "$.ok", "value": True}
        check = lab.check(f"{peer.url}/health", assertions=[assertion])
        assert lab.get(f"/synthetics/{check}")["state"] == "unknown"
        for _ in range(3):
            lab.pass_time(60)
        assert peer.connections == 3

    shown = lab.get("/synthetics")["data"][0]
    assert (shown["id"], shown["state"], shown["interval"]) == (check, "up", "1m")
    assert shown["last_result"]["status"] == "success"
    assert shown["uptime_24h"] == {
        "uptime": 1.0,
        "successful": 3,
        "completed": 3,
        "excluded": {"blocked": 0, "runner_lost": 0, "cancelled": 0},
    }
    (last, *_) = lab.results(check)
    assert (last["trigger"], last["status"], last["http_status"]) == ("scheduled", "success", 200)
    assert last["address"] == "127.0.0.1"
    assert set(last["phases_ms"]) == {"resolve", "connect", "processing", "transfer"}
    assert {"source": "json", "ok": True, "detail": ""} in last["assertions"]


@pytest.mark.slow
def test_a_manual_run_is_marked_and_does_not_count(lab: Lab) -> None:
    with probed(answering(http(500))) as peer:
        check = lab.check(peer.url)
        answer = lab.ask("POST", f"/synthetics/{check}/run", {})
        run_id = answer.json()["run_id"]
        assert answer.status_code == 202
        assert lab.code("POST", f"/synthetics/{check}/run", {}) == (409, "run_pending")
        assert lab.results(check, f"?run_id={run_id}")[0]["status"] == "queued"
        lab.server.run_jobs()
    (found,) = lab.results(check, "?trigger=manual")
    assert (found["run_id"], found["trigger"]) == (run_id, "manual")
    assert (found["status"], found["failure_reason"]) == ("failure", "assertion_status")
    lab.pass_time(1)
    path = f"/synthetics/{check}/uptime"
    usual = lab.get(path)
    assert usual["uptime"] is None
    assert usual["completed"] == 0
    asked = lab.get(f"{path}?include_manual=true")
    assert (asked["uptime"], asked["completed"]) == (0.0, 1)


def test_a_deleted_check_is_gone_and_its_results_are_readable_for_a_while(lab: Lab) -> None:
    with probed(answering(http())) as peer:
        check = lab.check(peer.url)
        lab.pass_time(60)
        assert lab.ask("DELETE", f"/synthetics/{check}").status_code == 204
        connections = peer.connections
        lab.pass_time(120)
        assert peer.connections == connections
    assert lab.code("DELETE", f"/synthetics/{check}") == (404, "synthetic_not_found")
    assert lab.code("GET", f"/synthetics/{check}") == (404, "synthetic_not_found")
    assert lab.get("/synthetics")["data"] == []
    assert len(lab.results(check)) == 1
    assert lab.check("http://127.0.0.1:9/")  # its name is free
    lab.pass_time(8 * 86_400, 8 * 86_400)
    assert lab.code("GET", f"/synthetics/{check}/results") == (404, "synthetic_not_found")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"interval": "1s"}, "/interval"),
        ({"timeout": "2m"}, "/timeout"),
        ({"expect": "x"}, "/expect"),
        ({"min_failing_regions": 2}, "/min_failing_regions"),
        ({"regions": ["a", "a"]}, "/regions"),
        ({"headers": {"X": "{{TOKEN}}"}}, "/headers/X"),
        (
            {"assertions": [{"source": "body", "op": "matches", "value": "("}]},
            "/assertions/0/value",
        ),
        (
            {"assertions": [{"source": "json", "op": "exists", "path": "a"}]},
            "/assertions/0/path",
        ),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_what_is_no_check(lab: Lab, fields: dict[str, Any], pointer: str) -> None:
    usual = {"name": "shop", "type": "http", "target": "http://127.0.0.1/", "interval": "1m"}
    answer = lab.ask("POST", "/synthetics", {**usual, **fields})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"][0]["pointer"] == pointer


def test_other_refusals(lab: Lab) -> None:
    check = lab.check("http://127.0.0.1/")
    usual = {"name": "shop", "type": "http", "target": "http://127.0.0.1/", "interval": "1m"}
    assert lab.code("POST", "/synthetics", usual) == (409, "name_taken")
    other = {**usual, "name": "b", "service": "none"}
    assert lab.code("POST", "/synthetics", other) == (422, "unknown_service")
    no_port = lab.ask("POST", "/synthetics", {**usual, "type": "tcp", "target": "127.0.0.1"})
    error = no_port.json()["error"]
    assert (no_port.status_code, error["code"]) == (422, "target_not_allowed")
    assert error["message"] == "/target: the target of a TCP check is HOST:PORT"
    path = f"/synthetics/{check}/run"
    assert lab.code("POST", path, {"regions": ["mars"]}) == (422, "unknown_region")
