"""Browser checks: refused without a browser; with one, the flow runs and its pictures are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from novaql.server.clock import SteppedClock
from novaql.server.probes import browser_check
from tests.server.synthetics.conftest import NOW, OPEN, Lab
from tests.support.servers.http_server import local_server

BODY = {
    "name": "flow",
    "type": "browser",
    "target": "http://127.0.0.1:1/",
    "interval": "1m",
    "steps": [{"action": "goto"}],
    "secrets": {"PASSWORD": "s3cr3t-word"},
}
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


class StepFlow(BaseModel):
    """The flows of a browser that exists in this test only."""

    model_config = ConfigDict(extra="forbid")

    target: str
    steps: list[dict[str, str]]


@dataclass
class Result:
    success: bool = False
    failure_reason: str | None = "step_failed"
    detail: str = "typed s3cr3t-word"
    duration_s: float = 0.5
    steps: tuple[Any, ...] = ()
    screenshots: tuple[tuple[str, bytes], ...] = (("end", PNG),)
    blocked: bool = False


class Browser:
    """In place of the module of the browser."""

    Flow = StepFlow

    def __init__(self, result: Result) -> None:
        self.result = result
        self.secrets: dict[str, str] = {}

    def available(self) -> str | None:
        return None

    def run_flow(
        self, flow: StepFlow, *, secrets: dict[str, str], cancelled: Event, **others: Any
    ) -> Result:
        assert flow.steps == BODY["steps"]
        assert not cancelled.is_set()
        assert 0 < others["timeout_s"] <= 10
        self.secrets = secrets
        return self.result


@pytest.fixture
def lab() -> Iterator[Lab]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, **OPEN) as server:
        yield Lab(server, clock)


def test_without_a_browser_such_a_check_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_check, "_browser", lambda: None)
    assert lab.code("POST", "/synthetics", BODY) == (422, "browser_unavailable")


def test_a_flow_runs_with_its_secrets_and_shows_none(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(Result())
    monkeypatch.setattr(browser_check, "_browser", lambda: browser)
    wrong = {**BODY, "steps": [{"action": 1}]}
    answer = lab.ask("POST", "/synthetics", wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == "/steps/0/action"
    check = lab.post("/synthetics", BODY)["id"]
    found = lab.run(check)
    assert browser.secrets == {"PASSWORD": "s3cr3t-word"}
    assert (found["status"], found["failure_reason"]) == ("failure", "step_failed")
    assert found["detail"] == "typed ***"
    (shot,) = found["screenshots"]
    assert lab.server.client.get(shot["url"]).content == PNG


def test_a_blocked_flow_is_blocked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(Result(blocked=True))
    monkeypatch.setattr(browser_check, "_browser", lambda: browser)
    found = lab.run(lab.post("/synthetics", BODY)["id"])
    assert (found["status"], found["detail"]) == ("blocked", "the target is not a public address")
    assert found["screenshots"] == []
