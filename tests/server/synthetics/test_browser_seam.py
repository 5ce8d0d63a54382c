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


def trial(answer: str | None, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Let the trial of a browser have this answer. Return the answers that it has given."""
    given: list[str | None] = []

    def available() -> str | None:
        given.append(answer)
        return answer

    monkeypatch.setattr(browser_check, "_known", {})
    monkeypatch.setattr(browser_check, "available", available)
    return given


class Browser:
    """In place of a Chromium."""

    def __init__(self, result: FlowResult, monkeypatch: pytest.MonkeyPatch) -> None:
        self.result = result
        self.secrets: Mapping[str, str] = {}
        trial(None, monkeypatch)
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
        assert 29 < others["timeout_s"] <= 30
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
    given = trial("there is no Chromium", monkeypatch)
    assert lab.code("POST", "/synthetics", BODY) == (422, "browser_unavailable")
    assert lab.code("POST", "/synthetics", BODY) == (422, "browser_unavailable")
    assert len(given) == 1  # its answer is remembered: it starts a process
    elsewhere = {**BODY, "regions": ["paris"]}  # the runner there may have one
    assert lab.post("/synthetics", elsewhere)["regions"] == ["paris"]
    assert len(given) == 1


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


@pytest.mark.parametrize(
    ("fields", "status", "pointer"),
    [
        ({"timeout": "4s"}, 400, "/timeout"),
        (
            {"steps": [{"action": "fill", "selector": "p", "secret": "NONE"}]},
            400,
            "/steps/0/secret",
        ),
        ({"steps": [{"action": "goto", "url": "http://10.0.0.1/"}]}, 422, "/steps/0/url"),
        ({"steps": [{"action": "goto", "url": "http://[::ffff:a9fe:a9fe]/"}]}, 422, "/steps/0/url"),
        ({"steps": [{"action": "goto", "url": "http://ok@127.0.0.1/"}]}, 400, "/steps/0/url"),
        ({"steps": [{"action": "goto", "url": "file:///etc/passwd"}]}, 400, "/steps/0/url"),
    ],
)
def test_flows_that_cannot_succeed_are_refused_with_their_place(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    status: int,
    pointer: str,
) -> None:
    Browser(FAILED, monkeypatch)
    answer = lab.ask("POST", "/synthetics", {**BODY, **fields})
    (detail,) = answer.json()["error"]["details"]
    assert (answer.status_code, detail["pointer"]) == (status, pointer)


def test_a_runner_without_a_working_browser_does_not_count_into_the_uptime(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "no browser: this machine has no memory left"
    reason = replace(FAILED, failure_reason="unavailable", detail=why, steps=(), screenshots=())
    Browser(reason, monkeypatch)
    check = lab.post("/synthetics", {**BODY, "failure_threshold": 1, "retries": 2})["id"]
    lab.pass_time(70, 10)
    (found, *_) = lab.results(check)
    assert (found["status"], found["failure_reason"]) == ("runner_lost", "runner_unavailable")
    assert (found["detail"], found["attempts"]) == (why, 1)
    shown = lab.get(f"/synthetics/{check}")
    assert (shown["state"], shown["uptime_24h"]["uptime"]) == ("unknown", None)
    assert shown["uptime_24h"]["excluded"]["runner_lost"] >= 1
    assert lab.query("probe_success") == []
