"""Browser checks: refused without a browser; with one, the flow runs and its pictures are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from novaql.server.clock import SteppedClock
from novaql.server.probes import browser_check
from novaql.server.probes.browser import Flow, FlowResult
from tests.server.synthetics.conftest import NOW, OPEN, Lab
from tests.support.servers.http_server import local_server

BODY = {
    "name": "flow",
    "type": "browser",
    "target": "http://127.0.0.1:1/",
    "interval": "1m",
    "steps": [{"action": "goto", "url": "/"}],
    "secrets": {"PASSWORD": "s3cr3t-word"},
}
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
FAILED = FlowResult(
    success=False,
    failure_reason="text_not_found",
    detail="typed s3cr3t-word",
    duration_s=0.5,
    screenshots=(("end", PNG),),
)


class Browser:
    """In place of a Chromium."""

    def __init__(self, result: FlowResult, monkeypatch: pytest.MonkeyPatch) -> None:
        self.result = result
        self.secrets: Mapping[str, str] = {}
        monkeypatch.setattr(browser_check, "available", lambda: None)
        monkeypatch.setattr(browser_check, "run_flow", self.run_flow)

    def run_flow(
        self,
        flow: Flow,
        *,
        secrets: Mapping[str, str],
        cancelled: Callable[[], bool],
        **others: Any,
    ) -> FlowResult:
        assert [step.action for step in flow.steps] == ["goto"]
        assert not cancelled()
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
    monkeypatch.setattr(browser_check, "available", lambda: "there is no Chromium")
    assert lab.code("POST", "/synthetics", BODY) == (422, "browser_unavailable")


def test_a_flow_runs_with_its_secrets_and_shows_none(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(FAILED, monkeypatch)
    wrong = {**BODY, "steps": [{"action": 1}]}
    answer = lab.ask("POST", "/synthetics", wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"].startswith("/steps/0")
    check = lab.post("/synthetics", BODY)["id"]
    found = lab.run(check)
    assert browser.secrets == {"PASSWORD": "s3cr3t-word"}
    assert (found["status"], found["failure_reason"]) == ("failure", "text_not_found")
    assert found["detail"] == "typed ***"
    (shot,) = found["screenshots"]
    assert lab.server.client.get(shot["url"]).content == PNG


def test_a_blocked_flow_is_blocked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    Browser(replace(FAILED, failure_reason="blocked", blocked=True), monkeypatch)
    found = lab.run(lab.post("/synthetics", BODY)["id"])
    assert (found["status"], found["detail"]) == ("blocked", "the target is not a public address")
    assert found["screenshots"] == []


def test_a_page_without_its_blocked_image_can_succeed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    Browser(replace(FAILED, success=True, failure_reason=None, blocked=True), monkeypatch)
    assert lab.run(lab.post("/synthetics", BODY)["id"])["status"] == "success"
