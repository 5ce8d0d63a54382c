"""Alerts in real time, with kill -9 in between: nothing is lost, nobody is told twice.

Their rule opens an incident, which there is once, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers import patiently
from tests.support.servers.http_server import WRITE_HEADERS, ServerProcess, server_process

pytestmark = pytest.mark.slow

UNLIMITED = {"rate_per_minute": "0", "rate_per_day": "0"}
RULE = {
    "name": "Down",
    "expr": "up == 0",
    "for": "5s",
    "interval": "1s",
    "auto_incident": True,
    "annotations": {"summary": "{{ $labels.instance }} is down"},
}


class ExternalCall:
    """Who scrapes: sends `up` twice a second to whatever server is there."""

    def __init__(self) -> None:
        self.value = 0.0
        self.url = ""
        self.token = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            at = time.time_ns() // 1_000_000
            series = [({"__name__": "up", "instance": "a"}, [(at, self.value)])]
            headers = WRITE_HEADERS | {"Authorization": f"Bearer {self.token}"}
            try:
                patiently.post(
                    f"{self.url}/api/v1/write", content=packed(message_of(series)), headers=headers
                )
            except httpx.HTTPError:
                continue

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = patiently.get(f"{self.url}{path}", headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> None:
        answer = patiently.post(
            f"{self.url}{path}", json=body, headers={"Authorization": f"Bearer {self.token}"}
        )
        assert answer.status_code == 201, answer.text

    def states(self) -> list[str]:
        return [alert["state"] for alert in self.get("/v1/alerts")["data"]]

    def incidents(self) -> list[tuple[str, list[str]]]:
        """State of each incident, and the types of its entries."""
        found = []
        for one in self.get("/v1/incidents")["data"]:
            entries = self.get(f"/v1/incidents/{one['id']}/timeline")["data"]
            found.append((one["status"], [entry["type"] for entry in entries]))
        return found

    def log(self) -> list[tuple[str, int, int]]:
        data = self.get("/v1/notifications")["data"]
        return [(one["why"], one["firing"], one["resolved"]) for one in reversed(data)]


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def started(outside: ExternalCall, server: ServerProcess) -> None:
    outside.url = server.url
    outside.token = server.token or outside.token


def test_alerts_live_through_kills(tmp_path: Path) -> None:
    outside = ExternalCall()
    arguments = ("--sync", "always")
    try:
        with server_process(tmp_path / "data", *arguments, settings=UNLIMITED) as server:
            started(outside, server)
            outside.post("/v1/notification-channels", {"name": "log", "type": "sink"})
            route = {"channels": ["log"], "group_wait": "1s", "group_interval": "2s"}
            outside.post("/v1/alert-routing", {"route": route})
            outside.post("/v1/alert-rules", RULE)
            until(lambda: outside.states() == ["pending"])
            began = outside.get("/v1/alerts")["data"][0]
            time.sleep(1.5)
            server.kill()
        with server_process(tmp_path / "data", *arguments, settings=UNLIMITED) as server:
            started(outside, server)
            until(lambda: outside.states() == ["firing"])
            assert outside.incidents() in ([], [("triggered", ["triggered"])])
            fired = outside.get("/v1/alerts")["data"][0]
            assert (fired["id"], fired["started_at"]) == (began["id"], began["started_at"])
            until(lambda: outside.log() == [("new_alerts", 1, 0)])
            server.kill()
        with server_process(tmp_path / "data", *arguments, settings=UNLIMITED) as server:
            started(outside, server)
            before = outside.get("/v1/alert-rules")["data"][0]["last_evaluated_at"]
            until(lambda: outside.get("/v1/alert-rules")["data"][0]["last_evaluated_at"] > before)
            time.sleep(4)  # two looks at the group
            assert outside.states() == ["firing"]
            assert outside.log() == [("new_alerts", 1, 0)]
            assert outside.incidents() == [("triggered", ["triggered"])]
            outside.value = 1.0
            until(lambda: outside.states() == ["resolved"])
            until(lambda: len(outside.log()) == 2)
            time.sleep(3)

            assert outside.log() == [("new_alerts", 1, 0), ("all_resolved", 0, 1)]
            ended = ["triggered", "alerts_ended", "resolved"]
            assert outside.incidents() == [("resolved", ended)]
            history = outside.get(f"/v1/alerts/{began['id']}")["history"]
            assert [entry["type"] for entry in history] == ["resolved", "firing", "pending"]
    finally:
        outside.stop()
