"""Browser checks with a real Chromium: through the API, and in a runner of its own process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from novaql.server.clock import SteppedClock
from novaql.server.probes.browser import available
from tests.server.synthetics.conftest import NOW, OPEN, Lab
from tests.support.repository.files import ROOT
from tests.support.servers import browser_site
from tests.support.servers.browser_site import SITE, Answer, Inside, Request, Site
from tests.support.servers.http_server import local_server

pytestmark = pytest.mark.slow

SECRET = "hunter2-and-more"
ALLOWED = f"{SITE}/32"
FORM = """<title>Shop</title><form method=post action=/session>
<input name=password type=password><button>Log in</button></form>"""
STEPS: list[dict[str, Any]] = [
    {"action": "goto", "url": "/login"},
    {"action": "fill", "selector": "[name=password]", "secret": "PASSWORD"},
    {"action": "click", "selector": "button"},
    {"action": "expect_text", "text": "Welcome"},
    {"action": "screenshot", "name": "account"},
]


@pytest.fixture(scope="module", autouse=True)
def browser() -> None:
    if (reason := available()) is not None:
        pytest.skip(f"{reason} (Debian: apt-get install chromium bubblewrap)")


def session(request: Request) -> Answer:
    good = request.body == f"password={SECRET}"
    return Answer(f"<p>{'Welcome' if good else 'Wrong'}, you typed {request.body}</p>")


@pytest.fixture
def site() -> Iterator[Site]:
    with browser_site.site() as made:
        made.pages = {"/login": Answer(FORM), "/session": session}
        yield made


@pytest.fixture
def inside() -> Iterator[Inside]:
    with browser_site.inside() as made:
        yield made


def flow(site: Site, steps: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "name": "login",
        "type": "browser",
        "target": site.url("/"),
        "interval": "5m",
        "timeout": "60s",
        "steps": steps or STEPS,
        "secrets": {"PASSWORD": SECRET},
        **fields,
    }


def picture(lab: Lab, result: dict[str, Any], name: str) -> str:
    """The URL of a screenshot, which is a PNG that only this URL opens."""
    (shot,) = [one for one in result["screenshots"] if one["name"] == name]
    answer = lab.server.client.get(shot["url"])
    assert answer.status_code == 200
    assert answer.content.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(answer.content[16:20], "big") == 1280
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert lab.server.client.get(shot["url"].partition("?")[0]).status_code == 400
    url: str = shot["url"]
    return url


def test_a_login_a_failing_step_and_a_page_on_loopback(site: Site, inside: Inside) -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, **{**OPEN, "egress_allow": ALLOWED}) as server:
        lab = Lab(server, clock)
        good = lab.run(lab.post("/synthetics", flow(site))["id"])
        assert good["status"] == "success", good["detail"]
        assert [one["action"] for one in good["steps"]] == [one["action"] for one in STEPS]
        assert all(one["ok"] for one in good["steps"])
        url = picture(lab, good, "account")

        steps = [*STEPS[:3], {"action": "expect_url", "contains": f"/{SECRET}"}]
        failing = lab.post("/synthetics", flow(site, steps, name="failing", timeout="30s"))["id"]
        bad = lab.run(failing)
        assert (bad["status"], bad["failure_reason"]) == (
            "failure",
            "url_mismatch",
        ), bad["detail"]
        assert [one["ok"] for one in bad["steps"]] == [True, True, True, False]
        picture(lab, bad, "failure")
        assert SECRET not in lab.ask("GET", f"/synthetics/{failing}/results").text

        site.pages["/away"] = Answer(
            status=302, headers={"Location": f"http://127.0.0.1:{inside.port}/"}
        )
        away = lab.post("/synthetics", flow(site, [{"action": "goto", "url": "/away"}], name="x"))
        blocked = lab.run(away["id"])
        assert (blocked["status"], blocked["detail"]) == (
            "blocked",
            "the target is not a public address",
        )
        assert blocked["screenshots"] == []
        assert inside.received() == []
        direct = flow(site, [{"action": "goto", "url": f"http://127.0.0.1:{inside.port}/"}])
        assert lab.code("POST", "/synthetics", {**direct, "name": "y"}) == (
            422,
            "target_not_allowed",
        )

        clock.step(timedelta(hours=1))
        assert lab.server.client.get(url).status_code == 410


def test_a_runner_in_a_process_of_its_own(site: Site, inside: Inside) -> None:
    site.pages["/away"] = Answer(
        status=302, headers={"Location": f"http://127.0.0.1:{inside.port}/"}
    )
    options = {**OPEN, "egress_allow": ALLOWED, "job_threads": 1, "probe_region": ""}
    with local_server(**options, probe_poll_s=0.2) as server:
        lab = Lab(server, SteppedClock(NOW))
        regions: dict[str, Any] = {"regions": ["paris"], "interval": "1h"}
        good = lab.post("/synthetics", flow(site, **regions))["id"]
        away_steps = [{"action": "goto", "url": "/away"}]
        away = lab.post("/synthetics", flow(site, away_steps, name="away", **regions))["id"]
        command = [sys.executable, "-m", "novaql", "probe", "--server"]
        command += [str(server.client.base_url), "--region", "paris", "--egress-allow", ALLOWED]
        runner = subprocess.Popen(
            [*command, "--token", lab.probe_token()],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            end = time.monotonic() + 120
            found: dict[str, dict[str, Any]] = {}
            while len(found) < 2 and time.monotonic() < end:
                time.sleep(0.3)
                for check in (good, away):
                    for one in lab.results(check, "?status=success&limit=1") + lab.results(
                        check, "?status=blocked&limit=1"
                    ):
                        found[check] = one
        finally:
            runner.terminate()
            assert runner.wait(timeout=60) == 0
        assert found[good]["status"] == "success", found
        picture(lab, found[good], "account")
        assert SECRET not in str(found)
        assert found[away]["status"] == "blocked", found
        assert inside.received() == []
