"""Runners in other processes: what their tokens can do, leases, reports, and lost runs."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, rfc3339
from novaql.server.db.unit import Unit
from novaql.server.routes import ROUTES
from novaql.server.synthetics.tables import ProbeRunner
from tests.server.synthetics.conftest import NOW, OPEN, Lab
from tests.support.peers.probed import answering, http, probed
from tests.support.repository.files import ROOT
from tests.support.servers.at_once import beside_unit
from tests.support.servers.http_server import local_server, token_of

KINDS = {"capabilities": ["http", "tcp"], "most": 5}
SUCCESS = {"status": "success", "duration_s": 0.25, "phases": {"connect": 0.1}, "http_status": 200}


def due(lab: Lab, token: str, **fields: Any) -> list[dict[str, Any]]:
    """The runs that a runner gets now."""
    found = lab.post("/probes/claim", {**KINDS, **fields}, 200, token)
    runs: list[dict[str, Any]] = found["runs"]
    return runs


def report(lab: Lab, token: str, lease: str, outcome: dict[str, Any] | None = None) -> Any:
    body = {"lease": lease, "outcome": outcome or SUCCESS}
    return lab.ask("POST", "/probes/report", body, token)


def test_a_runner_claims_reports_once_and_the_time_is_the_servers(lab: Lab) -> None:
    token = lab.probe_token()
    check = lab.check(
        "http://127.0.0.1:1/",
        regions=["paris"],
        secrets={"KEY": "s3cr3t-key"},
        headers={"X-Key": "{{KEY}}"},
    )
    assert due(lab, token) == []
    lab.pass_time(60)
    assert lab.results(check) == []  # no runner of the server itself
    (run,) = due(lab, token)
    assert run["spec"]["secrets"] == {"KEY": "s3cr3t-key"}
    assert run["spec"]["target"] == "http://127.0.0.1:1/"
    assert due(lab, token) == []  # never two at once
    lab.clock.step(timedelta(seconds=5))

    outcome = {**SUCCESS, "detail": "saw s3cr3t-key", "duration_s": 9_999.0}
    assert report(lab, token, run["lease"], outcome).status_code == 200
    again = report(lab, token, run["lease"])
    assert (again.status_code, again.json()["error"]["code"]) == (409, "lease_over")
    (found,) = lab.results(check)
    assert (found["region"], found["status"], found["detail"]) == ("paris", "success", "saw ***")
    assert found["completed_at"] == rfc3339(lab.clock.now())
    assert found["duration_ms"] == 6_000  # no more than the server has seen


@pytest.mark.slow
def test_two_runners_with_one_token_claim_at_once_for_the_first_time(lab: Lab) -> None:
    token = lab.probe_token()
    (id,) = (one["id"] for one in lab.get("/tokens?limit=200")["data"] if one["purpose"] == "probe")

    def other(unit: Unit) -> None:
        unit.session.add(
            ProbeRunner(
                token_id=id, region="paris", seen_at=unit.now(), version="", capabilities=[]
            )
        )

    answer = beside_unit(lab.server, other, lambda: lab.ask("POST", "/probes/claim", KINDS, token))
    assert answer.status_code == 200, answer.text


def test_secrets_are_sent_only_with_a_claimed_run(lab: Lab) -> None:
    secret = "s3cr3t-key"
    check = lab.check(
        "http://127.0.0.1:1/",
        regions=["paris"],
        secrets={"KEY": secret},
        headers={"X-Key": "a {{KEY}}"},
    )
    made = lab.ask("GET", f"/synthetics/{check}")
    assert (made.json()["secret_names"], made.json()["headers"]) == (
        ["KEY"],
        {"X-Key": "a {{KEY}}"},
    )
    for path in (f"/synthetics/{check}", "/synthetics", f"/synthetics/{check}/results", "/audit"):
        assert secret not in lab.ask("GET", path).text
    with lab.server.context.database.read(None) as session:
        rows = session.execute(text("SELECT secrets, plan FROM synthetics")).all()
        assert secret not in str(rows)


def test_a_runner_gets_runs_after_the_clock_was_set_back(lab: Lab) -> None:
    lab.check("http://127.0.0.1:1/", regions=["paris"])
    token = lab.probe_token()
    for seconds in (60, 60, -3600, 60, 60):
        lab.clock.step(timedelta(seconds=seconds))
        if seconds > 0:
            (run,) = due(lab, token)
            assert report(lab, token, run["lease"]).status_code == 200


def test_a_secret_that_is_also_a_word_of_the_report_does_not_change_it(lab: Lab) -> None:
    lab.check("http://127.0.0.1:1/", regions=["paris"], secrets={"KEY": "success"})
    token = lab.probe_token()
    lab.pass_time(60)
    (run,) = due(lab, token)
    found = report(lab, token, run["lease"], {**SUCCESS, "detail": "a success"}).json()
    assert found["status"] == "success"
    (row,) = lab.ask("GET", f"/synthetics/{run['synthetic_id']}/results").json()["data"]
    assert row["detail"] == "a ***"


def test_a_lease_belongs_to_one_runner_and_one_region(lab: Lab) -> None:
    paris, twin, oslo = lab.probe_token(), lab.probe_token(), lab.probe_token("oslo")
    lab.check("http://127.0.0.1:1/", regions=["paris", "oslo"])
    lab.pass_time(60)
    (run,) = due(lab, paris)
    assert due(lab, twin) == []
    for token in (twin, oslo):
        assert report(lab, token, run["lease"]).json()["error"]["code"] == "lease_over"
        body = {"leases": [run["lease"]]}
        assert lab.post("/probes/heartbeat", body, 200, token)["ended"] == [run["lease"]]
    assert report(lab, paris, "made up").json()["error"]["code"] == "lease_over"
    other = lab.code("POST", "/probes/claim", {**KINDS, "region": "oslo"}, paris)
    assert other == (403, "other_region")
    assert report(lab, paris, run["lease"]).status_code == 200


@pytest.mark.slow
def test_a_probe_token_opens_nothing_else(lab: Lab) -> None:
    token = lab.probe_token()
    for route in ROUTES:
        if route.role is None or route.path.startswith("/v1/probes"):
            continue
        path = route.path.replace("{", "").replace("}", "")
        method = route.verbs[0]
        bearer = {"Authorization": f"Bearer {token}"}
        answer = lab.server.client.request(method, path, headers=bearer)
        assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"


@pytest.mark.parametrize("role", list(Role))
def test_other_tokens_are_no_runners(lab: Lab, role: Role) -> None:
    token = lab.server.tokens[role]
    for path, body in (
        ("claim", KINDS),
        ("heartbeat", {"leases": []}),
        ("report", {"lease": "x", "outcome": SUCCESS}),
    ):
        assert lab.ask("POST", f"/probes/{path}", body, token).status_code == 403


def test_a_token_of_a_runner_needs_a_region_and_no_other_has_one(lab: Lab) -> None:
    body = {"name": "r", "role": "operator"}
    for wrong in ({"purpose": "probe"}, {"region": "paris"}, {"purpose": "scim", "region": "a"}):
        assert lab.code("POST", "/tokens", {**body, **wrong}) == (422, "purpose_and_region")
    made = lab.post("/tokens", {**body, "purpose": "probe", "region": "paris"})
    assert (made["purpose"], made["region"]) == ("probe", "paris")
    assert made["token"].startswith("nova_probe_")


def test_another_tenant_gets_no_runs(lab: Lab) -> None:
    lab.check("http://127.0.0.1:1/", regions=["paris"])
    lab.pass_time(60)
    database = lab.server.context.database
    other = add_tenant(database, lab.clock, "other")
    admin = token_of(database, other.id, Role.ADMIN, "eve@example.com")
    body = {"name": "r", "role": "operator", "purpose": "probe", "region": "paris"}
    theirs = lab.post("/tokens", body, 201, admin)["token"]
    assert due(lab, theirs) == []
    (run,) = due(lab, lab.probe_token())
    assert report(lab, theirs, run["lease"]).json()["error"]["code"] == "lease_over"


@pytest.mark.slow
def test_a_runner_that_is_gone_loses_its_run(lab: Lab) -> None:
    token = lab.probe_token()
    check = lab.check("http://127.0.0.1:1/", regions=["paris"], interval="5m")
    lab.pass_time(300)
    (run,) = due(lab, token)
    for _ in range(3):  # it renews its lease, up to the timeout of the run
        lab.pass_time(20)
        lab.post("/probes/heartbeat", {"leases": [run["lease"]]}, 200, token)
    lab.pass_time(31)
    (found,) = lab.results(check)
    assert (found["status"], found["failure_reason"]) == ("runner_lost", "runner_lost")
    late = report(lab, token, run["lease"])
    assert late.json()["error"]["code"] == "lease_over"
    assert lab.results(check) == [found]
    numbers = lab.get(f"/synthetics/{check}/uptime")
    assert (numbers["uptime"], numbers["excluded"]["runner_lost"]) == (None, 1)
    lab.pass_time(300)
    (second,) = due(lab, token)
    assert report(lab, token, second["lease"]).status_code == 200


def test_a_late_report_is_over_also_before_the_loss_is_recorded(lab: Lab) -> None:
    token = lab.probe_token()
    check = lab.check("http://127.0.0.1:1/", regions=["paris"])
    lab.pass_time(60)
    (run,) = due(lab, token)
    lab.clock.step(timedelta(seconds=30))  # and no job runs
    beat = lab.post("/probes/heartbeat", {"leases": [run["lease"]]}, 200, token)
    assert beat["ended"] == [run["lease"]]
    assert report(lab, token, run["lease"]).json()["error"]["code"] == "lease_over"
    assert lab.result(check)["status"] == "running"
    lab.server.run_jobs()
    assert lab.result(check)["status"] == "runner_lost"


def test_a_report_has_bounds_and_any_text_is_stored_safely(lab: Lab) -> None:
    token = lab.probe_token()
    check = lab.check("http://127.0.0.1:1/", regions=["paris"])
    lab.pass_time(60)
    (run,) = due(lab, token)
    picture = {"name": "x", "png": "A" * 100_000}
    for wrong in (
        {"status": "runner_lost"},
        {"status": "success", "duration_s": -1},
        {"status": "success", "detail": "x" * 501},
        {"status": "success", "tls_version": "made-up-1"},
        {"status": "success", "screenshots": [picture] * 11},
        {"status": "success", "completed_at": "2020-01-01T00:00:00Z"},
        {"status": "success", "detail": "a\u0000b"},
    ):
        assert _sent(lab, token, run["lease"], wrong) in (400, 413), wrong
    large = {"status": "success", "screenshots": [{**picture, "png": "A" * 200_000}] * 10}
    assert _sent(lab, token, run["lease"], large) == 413
    outcome = {"status": "unavailable", "failure_reason": "runner_unavailable", "detail": "busy"}
    assert report(lab, token, run["lease"], outcome).status_code == 200
    found = lab.result(check)
    assert (found["status"], found["detail"]) == ("runner_lost", "busy")


def _sent(lab: Lab, token: str, lease: str, outcome: dict[str, Any]) -> int:
    body, bearer = {"lease": lease, "outcome": outcome}, {"Authorization": f"Bearer {token}"}
    return lab.server.client.post("/v1/probes/report", json=body, headers=bearer).status_code


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection"])
def test_headers_of_the_runner_cannot_be_set(lab: Lab, name: str) -> None:
    body = {"name": "n", "type": "http", "target": "http://127.0.0.1:1/", "interval": "1m"}
    answer = lab.ask("POST", "/synthetics", {**body, "headers": {name: "1"}})
    (detail,) = answer.json()["error"]["details"]
    assert (answer.status_code, detail["pointer"]) == (400, f"/headers/{name}")


@pytest.mark.slow
def test_a_manual_run_without_a_runner_is_lost(lab: Lab) -> None:
    check = lab.check("http://127.0.0.1:1/", regions=["paris"])
    run_id = lab.post(f"/synthetics/{check}/run", {}, 202)["run_id"]
    lab.pass_time(299)
    assert lab.results(check, f"?run_id={run_id}")[0]["status"] == "queued"
    lab.pass_time(2)
    assert lab.results(check, f"?run_id={run_id}")[0]["status"] == "runner_lost"


def test_a_deleted_check_ends_the_lease(lab: Lab) -> None:
    token = lab.probe_token()
    check = lab.check("http://127.0.0.1:1/", regions=["paris"])
    lab.pass_time(60)
    (run,) = due(lab, token)
    assert lab.post("/probes/heartbeat", {"leases": [run["lease"]]}, 200, token)["ended"] == []
    lab.ask("DELETE", f"/synthetics/{check}")
    beat = lab.post("/probes/heartbeat", {"leases": [run["lease"]]}, 200, token)
    assert beat["ended"] == [run["lease"]]
    assert report(lab, token, run["lease"]).json()["error"]["code"] == "lease_over"
    assert due(lab, token) == []


def test_a_runner_gets_only_what_it_can_do_and_a_tenant_has_so_many_runs() -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, max_synthetic_runs=2, **OPEN) as server:
        lab = Lab(server, clock)
        token = lab.probe_token()
        for number in range(4):
            kind = "tcp" if number == 3 else "http"
            target = "127.0.0.1:1" if number == 3 else "http://127.0.0.1:1/"
            lab.check(target, name=f"c{number}", type=kind, regions=["paris"])
        lab.pass_time(60)
        assert len(due(lab, token, capabilities=["tcp"])) == 1
        assert len(due(lab, token)) == 1
        assert due(lab, token) == []


@pytest.mark.slow
def test_runners_have_a_quota_of_their_own() -> None:
    clock = SteppedClock(NOW)
    with local_server(
        clock=clock, **{**OPEN, "rate_per_minute": 50, "rate_per_day": 60, "probes_per_minute": 80}
    ) as server:
        lab = Lab(server, clock)
        token = lab.probe_token()
        for _ in range(80):
            due(lab, token)
        assert lab.ask("POST", "/probes/claim", KINDS, token).status_code == 429
        assert lab.ask("GET", "/synthetics").status_code == 200


@pytest.mark.slow
def test_a_real_runner_in_a_process_of_its_own() -> None:
    """`novaql probe`: it runs checks, obeys its own deny table, and is lost when it is killed."""
    options = {**OPEN, "job_threads": 2, "min_synthetic_interval_s": 0.5, "probe_lease_s": 2.0}
    options |= {"probe_poll_s": 0.2, "probe_region": ""}
    with (
        probed(answering(http(200, b"fine"))) as peer,
        probed(lambda sock: time.sleep(20)) as silent,
        local_server(**options) as server,
    ):
        lab = Lab(server, SteppedClock(NOW))
        token = lab.probe_token()
        fine = lab.check(peer.url, name="fine", regions=["paris"], interval="1s")
        denied = lab.check(
            f"http://127.0.0.2:{peer.port}/", name="denied", regions=["paris"], interval="1s"
        )
        runner = _runner(str(server.client.base_url), token)
        try:
            _until(lambda: len(_ended(lab, fine)) >= 3)
            _until(lambda: len(_ended(lab, denied)) >= 1)
            assert {one["status"] for one in _ended(lab, fine)} == {"success"}
            assert {one["status"] for one in _ended(lab, denied)} == {"blocked"}
            slow = lab.check(silent.url, name="slow", regions=["paris"], timeout="20s")
            lab.post(f"/synthetics/{slow}/run", {}, 202)
            _until(lambda: silent.connections == 1)
        finally:
            runner.kill()
            runner.wait()
        _until(lambda: lab.result(slow)["status"] == "runner_lost")


@pytest.mark.slow
def test_a_runner_that_is_refused_ends_with_an_error() -> None:
    with local_server(**OPEN) as server:
        lab = Lab(server, SteppedClock(NOW))
        runner = _runner(str(server.client.base_url), lab.server.tokens[Role.OPERATOR])
        assert runner.wait(timeout=30) == 1


def _runner(url: str, token: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "novaql", "probe", "--server", url, "--region", "paris"]
    return subprocess.Popen(
        [*command, "--token", token, "--egress-allow", "127.0.0.1/32"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _ended(lab: Lab, check: str) -> list[dict[str, Any]]:
    return [one for one in lab.results(check) if one["status"] not in ("queued", "running")]


def _until(holds: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
