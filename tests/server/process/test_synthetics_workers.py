"""`novaql serve --workers 2`: checks run, and any worker shows their results and series."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.peers.probed import answering, http, probed
from tests.support.servers.http_server import ServerProcess, server_process

pytestmark = pytest.mark.slow

SETTINGS = {
    "rate_per_minute": "0",
    "rate_per_day": "0",
    "sync": "os",
    "egress_allow": "127.0.0.0/8",
    "min_synthetic_interval_s": "1",
    "probe_lease_s": "20",
}
ROUNDS = 8


def ask(server: ServerProcess, method: str, path: str, body: Any = None, **more: Any) -> Any:
    """On a connection of its own, so that any worker may get it."""
    headers = {"Authorization": f"Bearer {more.get('token', server.token)}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        answer = client.request(method, f"/v1{path}", json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)


def test_checks_of_any_worker(tmp_path: Path) -> None:
    with (
        probed(answering(http(200, b"fine"))) as peer,
        server_process(tmp_path / "data", "--workers", "2", settings=SETTINGS) as server,
    ):
        body = {"name": "shop", "type": "http", "target": peer.url, "interval": "2s"}
        check = ask(server, "POST", "/synthetics", body)["id"]
        run_id = ask(server, "POST", f"/synthetics/{check}/run", {})["run_id"]
        results = f"/synthetics/{check}/results"

        def manual() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = ask(server, "GET", f"{results}?run_id={run_id}")["data"]
            return found

        until(lambda: manual()[0]["completed_at"])
        for _ in range(ROUNDS):
            assert manual()[0]["status"] == "success"
        until(lambda: ask(server, "GET", f"/synthetics/{check}/uptime")["completed"] >= 2)

        def successes() -> list[Any]:
            query = {"query": "sum(probe_success)"}
            found: list[Any] = ask(server, "POST", "/novaql", query)["result"]
            return [one["value"][1] for one in found]

        until(successes)
        for _ in range(ROUNDS):
            assert successes() == [1]

        token = {"name": "r", "role": "operator", "purpose": "probe", "region": "paris"}
        runner = ask(server, "POST", "/tokens", token)["token"]
        away = {**body, "name": "away", "regions": ["paris"], "interval": "1h"}
        remote = ask(server, "POST", "/synthetics", away)["id"]
        ask(server, "POST", f"/synthetics/{remote}/run", {})
        wanted = {"capabilities": ["http"], "most": 1}
        (run,) = ask(server, "POST", "/probes/claim", wanted, token=runner)["runs"]
        for _ in range(ROUNDS):
            beat = {"leases": [run["lease"]]}
            assert ask(server, "POST", "/probes/heartbeat", beat, token=runner)["ended"] == []
        report = {"lease": run["lease"], "outcome": {"status": "success"}}
        ask(server, "POST", "/probes/report", report, token=runner)
        for _ in range(ROUNDS):
            (found,) = ask(server, "GET", f"/synthetics/{remote}/results?status=success")["data"]
            assert found["id"] == run["result_id"]
