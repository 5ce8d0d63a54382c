"""Failures become alerts, incidents and pages; results become series; screenshots have URLs."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.clock import SteppedClock
from novaql.server.db.tables import Event
from novaql.server.history import RETENTIONS
from novaql.server.jobs.housekeeping import forget
from novaql.server.synthetics.tables import SyntheticScreenshot
from tests.server.synthetics.conftest import NOW, OPEN, Lab
from tests.support.peers.probed import answering, http, probed
from tests.support.servers.http_server import local_server

KINDS = {"capabilities": ["http", "tcp"], "most": 20}
REGIONS = ["oslo", "paris", "rome"]
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


class Regions:
    """Runners of three regions, each with an answer for every run."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.tokens = {region: lab.probe_token(region) for region in REGIONS}

    def round(self, **statuses: str) -> None:
        """A minute, in which each region completes one run."""
        self.lab.pass_time(30, 15)
        for region, token in self.tokens.items():
            for run in self.lab.post("/probes/claim", KINDS, 200, token)["runs"]:
                status = statuses.get(region, "success")
                why = None if status == "success" else "connect"
                outcome = {"status": status, "failure_reason": why, "duration_s": 0.1}
                body = {"lease": run["lease"], "outcome": outcome}
                self.lab.post("/probes/report", body, 200, token)
        self.lab.pass_time(30, 15)


def incidents(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.get("/incidents")["data"]
    return found


def events(lab: Lab, prefix: str = "synthetic.") -> list[str]:
    with lab.server.context.database.read(None) as session:
        rows = session.execute(select(Event).order_by(Event.at, Event.id)).scalars()
        return [row.type for row in rows if row.type.startswith(prefix)]


@pytest.mark.slow
def test_two_of_three_regions_page_and_recovery_resolves_the_same_incident(lab: Lab) -> None:
    lab.post("/services", {"name": "shop", "owner": "o", "tier": "t"})
    admin = lab.get("/users")["data"][0]["id"]
    lab.post(f"/users/{admin}/contact-methods", {"name": "sink", "type": "sink"})
    steps = [{"wait": "30m", "targets": [{"type": "user", "id": admin}]}]
    policy = lab.post("/escalation-policies", {"name": "p", "steps": steps, "ack_timeout": None})
    check = lab.check(
        "http://127.0.0.1:1/",
        regions=REGIONS,
        escalation_policy_id=policy["id"],
        interval="1m",
        min_failing_regions=2,
        failure_threshold=2,
        success_threshold=2,
        service="shop",
    )
    regions = Regions(lab)
    lab.server.run_jobs()
    regions.round()
    assert lab.get(f"/synthetics/{check}")["state"] == "up"
    for _ in range(4):
        regions.round(oslo="failure")
    assert lab.get(f"/synthetics/{check}")["state"] == "degraded"
    assert incidents(lab) == []

    regions.round(oslo="failure", rome="failure")
    assert incidents(lab) == []  # rome has failed only once
    regions.round(oslo="failure", rome="failure")
    (incident,) = incidents(lab)
    assert (incident["status"], incident["services"]) == ("triggered", ["shop"])
    (alert,) = lab.get("/alerts?state=firing")["data"]
    assert (alert["name"], alert["labels"]["check"]) == ("SyntheticCheckFailing", "shop")
    assert lab.get(f"/synthetics/{check}")["state"] == "down"
    (page,) = lab.get(f"/incidents/{incident['id']}/pages")["data"]
    assert (page["status"], page["target"]["id"]) == ("sent", admin)

    regions.round(oslo="failure")
    assert incidents(lab)[0]["status"] == "triggered"  # rome has succeeded only once
    regions.round(oslo="failure")
    (again,) = incidents(lab)
    assert (again["id"], again["status"]) == (incident["id"], "resolved")
    (escalation,) = lab.get(f"/escalations?incident={incident['id']}")["data"]
    assert escalation["state"] == "ended"
    lab.pass_time(3600, 900)
    assert len(lab.get(f"/incidents/{incident['id']}/pages")["data"]) == 1
    assert lab.get(f"/synthetics/{check}")["state"] == "degraded"
    assert events(lab) == ["synthetic.created", "synthetic.failed", "synthetic.recovered"]


@pytest.mark.slow
def test_deleting_a_failing_check_clears_its_alert(lab: Lab) -> None:
    check = lab.check("http://127.0.0.1:1/", failure_threshold=1)
    lab.server.run_jobs()
    for _ in range(8):
        lab.pass_time(15)
    (alert,) = lab.get("/alerts?state=firing")["data"]
    (rule,) = lab.get("/alert-rules")["data"]
    assert lab.code("DELETE", f"/alert-rules/{rule['id']}") == (409, "rule_is_managed")
    lab.ask("DELETE", f"/synthetics/{check}")
    lab.server.run_jobs()
    assert lab.get("/alerts?state=firing")["data"] == []
    assert lab.get(f"/alerts/{alert['id']}")["state"] == "resolved"
    assert lab.get("/alert-rules")["data"] == []


def test_results_are_series_with_the_names_of_blackbox_exporter(lab: Lab) -> None:
    lab.post("/services", {"name": "web", "owner": "o", "tier": "t"})
    with probed(answering(http(200), http(503))) as peer:
        check = lab.check(peer.url, service="web")
        lab.pass_time(60)
        lab.pass_time(60)
    base = {"job": "synthetics", "check": "shop", "check_id": check, "region": "local"}
    base["service"] = "web"
    assert lab.query("probe_success") == [({"__name__": "probe_success", **base}, 0)]
    assert lab.query("sum(sum_over_time(probe_success[10m]))") == [({}, 1)]
    assert lab.query("probe_http_status_code")[0][1] == 503
    (uptime,) = lab.query("probe_all_success_sum / probe_all_success_count")
    assert uptime[1] == 0.5
    phases = {m["phase"] for m, _ in lab.query("probe_http_duration_seconds")}
    assert phases == {"resolve", "connect", "tls", "processing", "transfer"}
    names = {m["__name__"] for m, _ in lab.query('{__name__=~"probe_.+"}')}
    assert names == {
        "probe_success",
        "probe_duration_seconds",
        "probe_region_failing",
        "probe_all_success_sum",
        "probe_all_success_count",
        "probe_dns_lookup_time_seconds",
        "probe_ip_protocol",
        "probe_http_duration_seconds",
        "probe_http_status_code",
        "probe_http_redirects",
        "probe_http_content_length",
        "probe_failed_due_to_regex",
    }


def test_screenshots_have_signed_urls_that_expire(lab: Lab) -> None:
    token = lab.probe_token()
    check = lab.check("http://127.0.0.1:1/", regions=["paris"])
    lab.pass_time(60)
    (run,) = lab.post("/probes/claim", KINDS, 200, token)["runs"]
    pictures = [
        {"name": "start", "png": base64.b64encode(PNG).decode()},
        {"name": "a page", "png": base64.b64encode(b"<html>").decode()},
    ]
    outcome = {"status": "success", "screenshots": pictures}
    lab.post("/probes/report", {"lease": run["lease"], "outcome": outcome}, 200, token)
    (shot,) = lab.result(check)["screenshots"]  # what is no PNG is not served
    assert shot["name"] == "start"
    url = shot["url"]
    client = lab.server.client
    answer = client.get(url)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"

    assert client.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    for changed in ("2", "x", "01", "+1"):
        assert client.get(url.replace("expires=1", f"expires={changed}")).status_code == 403
    assert client.get(url.split("?")[0]).status_code == 400
    unknown = url.replace("shot_", "shot_x")
    assert client.get(unknown).status_code == 403
    other = add_tenant(lab.server.context.database, lab.clock, "other")
    with lab.server.context.database.write(None) as session:
        session.execute(select(SyntheticScreenshot)).scalar_one().tenant_id = other.id
    assert client.get(url).status_code == 403  # the signature covers the tenant
    lab.clock.step(timedelta(hours=1))
    assert client.get(url).status_code in (403, 410)


def test_an_expired_url_is_gone(lab: Lab) -> None:
    token = lab.probe_token()
    check = lab.check("http://127.0.0.1:1/", regions=["paris"])
    lab.pass_time(60)
    (run,) = lab.post("/probes/claim", KINDS, 200, token)["runs"]
    shots = [{"name": "s", "png": base64.b64encode(PNG).decode()}]
    outcome = {"status": "success", "screenshots": shots}
    lab.post("/probes/report", {"lease": run["lease"], "outcome": outcome}, 200, token)
    url = lab.result(check)["screenshots"][0]["url"]
    lab.clock.step(timedelta(seconds=3599))
    assert lab.server.client.get(url).status_code == 200
    lab.clock.step(timedelta(seconds=1))
    assert lab.server.client.get(url).status_code == 410


@pytest.mark.slow
def test_uptime_is_exact_at_the_edges_and_after_results_are_deleted() -> None:
    clock = SteppedClock(NOW)
    options = {**OPEN, "synthetic_results_s": 7200.0, "max_synthetic_screenshots": 2}
    with local_server(clock=clock, **options) as server, probed(answering(http())) as peer:
        lab = Lab(server, clock)
        check = lab.check(peer.url, interval="5m")
        lab.pass_time(5 * 3600, 300)  # 12:00 to 17:00: 60 runs
        times = [one["completed_at"] for one in lab.results(check, "?limit=200")]
        assert len(times) == 60

        def window(start: str, end: str) -> tuple[int, str, str]:
            query = f"from=2026-04-01T{start}Z&to=2026-04-01T{end}Z"
            found = lab.get(f"/synthetics/{check}/uptime?{query}")
            return found["completed"], found["from"][11:16], found["to"][11:16]

        def expected(start: str, end: str) -> int:
            return sum(f"2026-04-01T{start}Z" <= t < f"2026-04-01T{end}Z" for t in times)

        for pair in (
            ("12:00:00", "17:00:00"),
            ("12:07:00", "16:52:30"),
            ("13:10:00", "13:40:00"),
            ("13:50:00", "14:10:00"),
        ):
            assert window(*pair) == (expected(*pair), pair[0][:5], pair[1][:5])
        forget(server.context, RETENTIONS)
        assert len(lab.results(check, "?limit=200")) < 60
        assert window("12:00:00", "17:00:00")[0] == expected("12:00:00", "17:00:00")
        # of the half hour before 13:00 no rows are left: the window begins at the whole hour
        found = window("12:30:00", "16:00:00")
        assert found == (expected("13:00:00", "16:00:00"), "13:00", "16:00")


@pytest.mark.slow
def test_a_window_begins_with_the_oldest_hour_whose_numbers_remain() -> None:
    clock = SteppedClock(NOW)
    options = {**OPEN, "synthetic_uptime_s": 7200.0}
    with local_server(clock=clock, **options) as server, probed(answering(http())) as peer:
        lab = Lab(server, clock)
        check = lab.check(peer.url, interval="30m")
        lab.pass_time(5 * 3600, 1800)  # 12:00 to 17:00
        forget(server.context, RETENTIONS)
        path = f"/synthetics/{check}/uptime?from=2026-04-01T12:00:00Z&to=2026-04-01T17:00:00Z"
        found = lab.get(path)
        times = [one["completed_at"] for one in lab.results(check)]
    assert (found["from"][11:16], found["to"][11:16]) == ("16:00", "17:00")
    assert found["completed"] == sum("2026-04-01T16" <= t < "2026-04-01T17" for t in times)
