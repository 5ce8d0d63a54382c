"""Prometheus as a provider: targets, services and rules of the real program."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.programs.prometheus_programs import running_prometheus
from tests.support.servers.fake_provider import Answer
from tests.support.servers.integration_rig import IntegrationRig, integration_rig

pytestmark = pytest.mark.slow

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
- job_name: prometheus
  static_configs: [{{targets: ["127.0.0.1:{{own_port}}"]}}]
- job_name: shop
  params: {{token: [url-secret]}}
  static_configs: [{{targets: ["127.0.0.1:1", "127.0.0.1:2"]}}]
"""
RULES = """
groups:
- name: shop
  interval: 30s
  rules:
  - {record: "job:up:sum", expr: "sum by (job) (up)"}
  - {alert: ShopDown, expr: "up{job='shop'} == 0", for: 5m, keep_firing_for: 1m,
     labels: {severity: critical, service: shop}, annotations: {summary: "{{ $labels.instance }}"}}
- name: more
  rules:
  - {alert: Never, expr: "vector(0) > 1"}
"""
BUILD = {"status": "success", "data": {"version": "2.53.3"}}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    rules = folder / "rules.yml"
    rules.write_text(RULES)
    with running_prometheus(folder / "p", CONFIG.format(rules=rules)) as url:
        end = time.monotonic() + 60
        while time.monotonic() < end and not _has_scraped(url):
            time.sleep(0.1)
        yield url


def _has_scraped(url: str) -> bool:
    found = httpx.get(f"{url}/api/v1/targets").json()["data"]["activeTargets"]
    rules = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]
    healths = {one["health"] for one in found}
    healths |= {one["health"] for group in rules for one in group["rules"]}
    return "unknown" not in healths and len(found) == 3


def resources(rig: IntegrationRig, kind: str, query: str = "") -> dict[str, Any]:
    found = rig.get(f"/prometheus/resources?kind={kind}&limit=100{query}")["data"]
    return {one["name"]: one for one in found}


def imported_rules(rig: IntegrationRig) -> list[dict[str, Any]]:
    headers = rig.server.bearer()
    found = rig.server.client.get("/v1/alert-rules?limit=100", headers=headers)
    assert found.status_code == 200, found.text
    return list(found.json()["data"])


def test_targets_services_and_rules(rig: IntegrationRig, real: str) -> None:
    rig.post("/prometheus/connect", {"base_url": f"{real}/"})
    rig.server.run_jobs()
    assert rig.get("/prometheus/syncs")["data"][0]["status"] == "succeeded"

    targets = resources(rig, "target")
    assert sorted(targets) == [
        "prometheus " + real.removeprefix("http://"),
        "shop 127.0.0.1:1",
        "shop 127.0.0.1:2",
    ]
    down = targets["shop 127.0.0.1:1"]
    assert (down["data"]["health"], down["service"]) == ("down", "shop")
    assert "refused" in down["data"]["last_error"]
    assert down["url"] == "http://127.0.0.1:1/metrics"
    services = resources(rig, "service")
    assert services["shop"]["data"] == {"targets": 2, "up": 0}
    assert services["prometheus"]["data"] == {"targets": 1, "up": 1}
    rules = resources(rig, "rule")
    assert sorted(rules) == ["Never", "ShopDown", "job:up:sum"]
    assert rules["ShopDown"]["data"]["for_s"] == 300
    assert rules["ShopDown"]["service"] == "shop"
    assert rules["job:up:sum"]["data"]["type"] == "recording"
    assert imported_rules(rig) == []
    assert "url-secret" not in rig.ask("GET", "/prometheus/resources?limit=100").text


def test_a_second_sync_changes_nothing(rig: IntegrationRig, real: str) -> None:
    rig.post("/prometheus/connect", {"base_url": real, "import_rules": True})
    rig.server.run_jobs()
    before = imported_rules(rig)
    rig.step(900)

    counts = rig.get("/prometheus/syncs")["data"][0]["counts"]
    assert {kind: set(found) for kind, found in counts.items()} == {
        kind: {"unchanged"} for kind in ("service", "target", "rule")
    }
    assert [(one["id"], one["version"]) for one in imported_rules(rig)] == [
        (one["id"], one["version"]) for one in before
    ]


def test_rules_are_imported_on_request(rig: IntegrationRig, real: str) -> None:
    rig.post("/prometheus/connect", {"base_url": real, "import_rules": True})
    rig.server.run_jobs()

    found = {one["name"]: one for one in imported_rules(rig)}
    assert sorted(found) == ["Never", "ShopDown", "job:up:sum"]
    assert found["ShopDown"]["for"] == "5m"
    assert found["ShopDown"]["labels"]["severity"] == "critical"
    summary = resources(rig, "rule")["integrations/prometheus"]["data"]["imported"]
    assert (summary["groups"], summary["rules"], summary["not_imported"]) == (2, 3, [])


def group(*rules: dict[str, Any]) -> Answer:
    one = {"name": "g", "file": "a.yml", "interval": 60, "rules": list(rules)}
    return 200, {"status": "success", "data": {"groups": [one]}}


def rule(name: str, query: str = "up == 0", **more: Any) -> dict[str, Any]:
    return {"type": "alerting", "name": name, "query": query, "health": "ok", **more}


def answers(rig: IntegrationRig, rules: Answer) -> None:
    rig.fake.fail("/api/v1/targets", (200, {"status": "success", "data": {"activeTargets": []}}))
    rig.fake.fail("/api/v1/rules", rules)


def connected(rig: IntegrationRig, rules: Answer, **settings: Any) -> None:
    rig.fake.fail("/api/v1/status/buildinfo", (200, BUILD))
    answers(rig, rules)
    rig.post("/prometheus/connect", {"base_url": rig.fake.url, **settings})
    rig.server.run_jobs()


def test_a_rule_that_cannot_be_parsed_is_reported_and_the_others_imported(
    rig: IntegrationRig,
) -> None:
    connected(rig, group(rule("Good"), rule("Bad", "no_such(up)")), import_rules=True)

    assert [one["name"] for one in imported_rules(rig)] == ["Good"]
    summary = resources(rig, "rule")["integrations/prometheus"]["data"]["imported"]
    assert summary["not_imported_count"] == 1
    assert summary["not_imported"][0].startswith("g/Bad: ")


def test_a_rule_that_is_gone_vanishes_and_its_import_ends(rig: IntegrationRig) -> None:
    connected(rig, group(rule("Stays"), rule("Goes")), import_rules=True)
    stays = next(one["id"] for one in imported_rules(rig) if one["name"] == "Stays")
    answers(rig, group(rule("Stays", "up == 1")))
    rig.step(900)

    assert [(one["id"], one["expr"]) for one in imported_rules(rig)] == [(stays, "up == 1")]
    assert sorted(resources(rig, "rule", "&vanished=true")) == ["Goes"]


def test_more_rules_than_the_tenant_may_have_are_an_error_of_the_import() -> None:
    with integration_rig(max_rules=1) as rig:
        connected(rig, group(rule("A"), rule("B")), import_rules=True)

        assert imported_rules(rig) == []
        summary = resources(rig, "rule")["integrations/prometheus"]["data"]["imported"]
        assert "rules" in summary["error"]
        assert rig.get("/prometheus/syncs")["data"][0]["status"] == "succeeded"


def test_more_rules_than_a_page_has(rig: IntegrationRig) -> None:
    many = group(*(rule(f"R{number:03}") for number in range(450)))
    rig.fake.fail("/api/v1/rules", many, many)
    connected(rig, many)

    sync = rig.get("/prometheus/syncs")["data"][0]
    assert (sync["status"], sync["pages"]) == ("succeeded", 4)
    assert sync["counts"]["rule"] == {"added": 450}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {}), "unauthorized"),
        ((403, {}), "forbidden_scope"),
        ((429, {}), "rate_limited"),
        ((503, {}), "provider_error"),
        ((200, {"status": "error"}), "provider_error"),
        ((200, []), "provider_error"),
    ],
)
def test_reasons(rig: IntegrationRig, answer: Answer, reason: str) -> None:
    connected(rig, group(), username="ada", password="prom-secret")
    rig.fake.fail("/api/v1/status/buildinfo", answer)

    assert rig.post("/prometheus/test")["reason_code"] == reason
    assert "prom-secret" not in rig.ask("GET", "/prometheus/status").text


@pytest.mark.parametrize(
    "body",
    [
        {"base_url": "https://p.example", "username": "ada"},
        {"base_url": "https://p.example", "token": "x", "username": "a", "password": "b"},
        {"base_url": "p.example"},
        {"base_url": "https://p example"},
        {"base_url": "https://p.example", "user": "x"},
        {},
    ],
)
def test_settings_are_checked(rig: IntegrationRig, body: dict[str, Any]) -> None:
    assert rig.ask("POST", "/prometheus/connect", body).status_code == 400
