"""Alerts of Alertmanager as incidents."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.servers.integration_rig import IntegrationRig, integration_rig

STATUS = {"versionInfo": {"version": "0.28.1"}, "cluster": {"status": "ready"}}


def alert(name: str, state: str = "active", at: str = "2026-04-01T11:00:00Z") -> dict[str, Any]:
    return {
        "fingerprint": name.lower(),
        "labels": {"alertname": name, "service": "shop", "severity": "critical"},
        "annotations": {"summary": f"{name} of the shop", "description": "see the dashboard"},
        "status": {"state": state, "silencedBy": [], "inhibitedBy": []},
        "receivers": [{"name": "team"}],
        "startsAt": at,
    }


def connected(rig: IntegrationRig, *alerts: dict[str, Any], **settings: Any) -> None:
    rig.fake.fail("/api/v2/status", (200, STATUS))
    rig.fake.fail("/api/v2/alerts", (200, list(alerts)))
    rig.post("/alertmanager/connect", {"base_url": rig.fake.url, **settings})
    rig.server.run_jobs()


def next_sync(rig: IntegrationRig, *alerts: dict[str, Any]) -> None:
    rig.fake.fail("/api/v2/alerts", (200, list(alerts)))
    rig.step(900)
    assert rig.get("/alertmanager/syncs")["data"][0]["status"] == "succeeded"


def incidents(rig: IntegrationRig) -> list[dict[str, Any]]:
    found = rig.server.client.get("/v1/incidents?limit=100", headers=rig.server.bearer())
    return list(found.json()["data"])


def statuses(rig: IntegrationRig) -> list[str]:
    return sorted(one["status"] for one in incidents(rig))


def test_alerts_open_no_incidents_without_the_setting(rig: IntegrationRig) -> None:
    connected(rig, alert("Slow"))
    assert incidents(rig) == []


@pytest.mark.slow
def test_an_alert_opens_one_incident_and_resolves_it(rig: IntegrationRig) -> None:
    service = {"name": "shop", "owner": "web", "tier": "tier1"}
    rig.server.client.post("/v1/services", json=service, headers=rig.server.bearer())
    connected(rig, alert("Slow"), open_incidents=True)
    (incident,) = incidents(rig)
    assert incident["title"] == "Slow of the shop"
    assert (incident["severity"], incident["services"]) == ("sev2", ["shop"])
    (resource,) = rig.get("/alertmanager/resources")["data"]
    assert resource["data"]["imported"]["incident_id"] == incident["id"]

    next_sync(rig, alert("Slow"))
    assert statuses(rig) == ["triggered"]
    next_sync(rig, alert("Slow", "suppressed"))
    assert statuses(rig) == ["triggered"]
    next_sync(rig)
    assert statuses(rig) == ["resolved"]
    next_sync(rig, alert("Slow", at="2026-04-01T13:00:00Z"))
    assert statuses(rig) == ["resolved", "triggered"]


def test_a_silenced_alert_opens_an_incident_when_its_silence_ends(rig: IntegrationRig) -> None:
    connected(rig, alert("Slow", "suppressed"), open_incidents=True)
    assert incidents(rig) == []
    next_sync(rig, alert("Slow"))
    assert statuses(rig) == ["triggered"]


def test_an_incident_that_people_resolve_is_not_opened_again(rig: IntegrationRig) -> None:
    connected(rig, alert("Slow"), open_incidents=True)
    path = f"/v1/incidents/{incidents(rig)[0]['id']}/resolve"
    body = {"note": "fixed"}
    answer = rig.server.client.post(path, json=body, headers=rig.server.bearer())
    assert answer.status_code == 200, answer.text
    next_sync(rig, alert("Slow"))
    next_sync(rig)

    assert statuses(rig) == ["resolved"]


@pytest.mark.slow
def test_an_alert_that_was_missing_for_a_while_opens_an_incident_again(rig: IntegrationRig) -> None:
    """An Alertmanager that restarts lists no alerts, until Prometheus sends them again."""
    connected(rig, alert("Slow"), open_incidents=True)
    next_sync(rig)
    assert statuses(rig) == ["resolved"]
    next_sync(rig, alert("Slow"))
    assert statuses(rig) == ["resolved", "triggered"]
    next_sync(rig, alert("Slow"))
    assert statuses(rig) == ["resolved", "triggered"]
    next_sync(rig)
    assert statuses(rig) == ["resolved", "resolved"]


def test_an_incident_that_people_resolve_is_not_opened_again_after_a_gap(
    rig: IntegrationRig,
) -> None:
    connected(rig, alert("Slow"), open_incidents=True)
    path = f"/v1/incidents/{incidents(rig)[0]['id']}/resolve"
    body = {"note": "fixed"}
    answer = rig.server.client.post(path, json=body, headers=rig.server.bearer())
    assert answer.status_code == 200, answer.text
    next_sync(rig)
    next_sync(rig, alert("Slow"))

    assert statuses(rig) == ["resolved"]


def test_a_last_page_that_cannot_be_stored_ends_the_sync() -> None:
    with integration_rig(integration_sync_tries=1) as rig:
        blank = {**alert(" "), "labels": {}, "annotations": {}}
        connected(rig, blank, open_incidents=True)

        (sync,) = rig.get("/alertmanager/syncs")["data"]
        assert (sync["status"], sync["error"]["reason_code"]) == ("failed", "provider_error")
        next_sync(rig, alert("Slow"))


def test_the_limit_of_open_incidents_is_an_error_of_the_import() -> None:
    with integration_rig(max_open_incidents=1) as rig:
        connected(rig, alert("A"), alert("B"), open_incidents=True, severities={"critical": "sev1"})

        assert [one["severity"] for one in incidents(rig)] == ["sev1"]
        found = rig.get("/alertmanager/resources?limit=10")["data"]
        assert ["error" in one["data"]["imported"] for one in found] == [False, True]
        next_sync(rig, alert("B"))  # A ends only after the page with B is stored
        next_sync(rig, alert("B"))
        assert statuses(rig) == ["resolved", "triggered"]
