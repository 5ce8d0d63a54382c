"""Where no browser can run, there is a reason."""

from __future__ import annotations

import subprocess

import pytest

from novaql.server.probes.browser import available, command
from tests.support.servers.browser_site import run

pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "browser", lambda: ("/usr/bin/true", "/etc"))
    monkeypatch.setattr(command, "bubblewrap", lambda: "/usr/bin/true")


def test_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "browser", lambda: None)

    assert available() == "there is no Chromium: install the package chromium"
    result = run("http://127.0.0.2/")
    assert (result.success, result.failure_reason) == (False, "unavailable")
    assert "install the package chromium" in result.detail


def test_no_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "bubblewrap", lambda: None)

    assert "bubblewrap" in (available() or "")


def test_no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    refuses = ["/bin/sh", "-c", "echo no namespaces here >&2; exit 1"]
    monkeypatch.setattr(command, "trial_command", lambda _: refuses)
    assert "does not permit" in (available() or "")

    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("x", 1)

    monkeypatch.setattr(subprocess, "run", late)
    assert "TimeoutExpired" in (available() or "")


def test_a_program_that_is_no_browser() -> None:
    """It ends at once: the flow reports it, and does not wait for its timeout."""
    result = run("http://127.0.0.2/", timeout_s=60)

    assert result.failure_reason in ("unavailable", "browser_crashed")
