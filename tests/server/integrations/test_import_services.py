"""Services of other systems in the catalog."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.servers.integration_rig import IntegrationRig, integration_rig

BUILD = {"status": "success", "data": {"version": "2.53.3"}}


def target(job: str) -> dict[str, Any]:
    labels = {"job": job, "instance": f"{job}:80"}
    return {"labels": labels, "scrapePool": job, "scrapeUrl": f"http://{job}/", "health": "up"}


def syncs(rig: IntegrationRig, *jobs: str) -> None:
    """What Prometheus answers to the next sync."""
    active = {"activeTargets": [target(job) for job in jobs]}
    rig.fake.fail("/api/v1/targets", (200, {"status": "success", "data": active}))
    rig.fake.fail("/api/v1/rules", (200, {"status": "success", "data": {"groups": []}}))


def connected(rig: IntegrationRig, *jobs: str, **settings: Any) -> None:
    rig.fake.fail("/api/v1/status/buildinfo", (200, BUILD))
    syncs(rig, *jobs)
    rig.post("/prometheus/connect", {"base_url": rig.fake.url, **settings})
    rig.server.run_jobs()


def catalog(rig: IntegrationRig) -> dict[str, Any]:
    found = rig.server.client.get("/v1/services", headers=rig.server.bearer()).json()["data"]
    return {one["name"]: one for one in found}


def imported(rig: IntegrationRig, provider: str = "prometheus") -> dict[str, Any]:
    found = rig.get(f"/{provider}/resources?kind=service")["data"]
    return {one["name"]: one["data"].get("imported") for one in found}


def test_jobs_are_services_of_the_catalog_only_on_request(rig: IntegrationRig) -> None:
    connected(rig, "shop")
    assert (catalog(rig), imported(rig)) == ({}, {"shop": None})

    connected(rig, "shop", "db", import_services=True, service_owner="web", service_tier="tier1")
    found = catalog(rig)
    assert sorted(found) == ["db", "shop"]
    assert (found["shop"]["owner"], found["shop"]["tier"]) == ("web", "tier1")
    assert imported(rig)["shop"]["service_id"] == found["shop"]["id"]
    assert imported(rig)["shop"]["added"] is True


def test_a_service_that_is_there_stays_as_it_is(rig: IntegrationRig) -> None:
    own = {"name": "shop", "owner": "us", "tier": "tier2", "description": "ours"}
    answer = rig.server.client.post("/v1/services", json=own, headers=rig.server.bearer())
    assert answer.status_code == 201
    connected(rig, "shop", import_services=True)
    syncs(rig, "shop")
    rig.step(900)

    shop = catalog(rig)["shop"]
    assert (shop["owner"], shop["description"], shop["version"]) == ("us", "ours", 1)
    assert imported(rig)["shop"]["added"] is False


def test_a_deleted_service_is_not_added_again(rig: IntegrationRig) -> None:
    connected(rig, "shop", import_services=True)
    headers = rig.server.bearer()
    assert rig.server.client.delete("/v1/services/shop", headers=headers).status_code == 204
    syncs(rig, "shop")
    rig.step(900)

    assert catalog(rig) == {}
    assert rig.get("/prometheus/syncs")["data"][0]["status"] == "succeeded"


def test_names_and_limits_are_errors_of_the_import() -> None:
    with integration_rig(max_services=1) as rig:
        connected(rig, "a/b", "one", "two", import_services=True)

        assert list(catalog(rig)) == ["one"]
        found = imported(rig)
        assert "this name" in found["a/b"]["error"]
        assert "services" in found["two"]["error"]
        assert rig.get("/prometheus/syncs")["data"][0]["status"] == "succeeded"


@pytest.mark.parametrize("tier", ["Tier 1", "", 7])
def test_settings_of_the_catalog_are_checked(rig: IntegrationRig, tier: Any) -> None:
    body = {"base_url": rig.fake.url, "service_tier": tier}
    answer = rig.ask("POST", "/prometheus/connect", body)

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == "/service_tier"
