"""Postmortems cite deploys of the affected services before the start of an incident."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.servers.integration_rig import IntegrationRig

SECRET = "correct-horse-battery-staple"
HOOK = {
    "name": "deploys",
    "secret": SECRET,
    "report": "deploy",
    "fields": {
        "id": {"pointer": "/id"},
        "service": {"pointer": "/service"},
        "version": {"pointer": "/version"},
    },
}


def deployed(rig: IntegrationRig, hook_id: str, number: int, service: str) -> str:
    body = {"id": number, "service": service, "version": f"v{number}"}
    path = f"/v1/integrations/webhook/{hook_id}"
    answer = rig.server.client.post(path, json=body, headers={"X-Webhook-Token": SECRET})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["resources"][0])


def test_deploys_before_the_start_are_cited(rig: IntegrationRig) -> None:
    client, headers = rig.server.client, rig.server.bearer()
    for name in ("shop", "other"):
        body = {"name": name, "owner": "o", "tier": "tier1"}
        assert client.post("/v1/services", json=body, headers=headers).status_code == 201
    hook_id = rig.post("/generic_webhook/hooks", HOOK, expect=201)["id"]
    deployed(rig, hook_id, 1, "shop")  # too early
    rig.clock.step(timedelta(minutes=90))
    cited = deployed(rig, hook_id, 2, "shop")
    deployed(rig, hook_id, 3, "other")
    rig.clock.step(timedelta(minutes=5))
    opened = {"title": "errors", "severity": "sev2", "services": ["shop"]}
    incident = client.post("/v1/incidents", json=opened, headers=headers).json()["id"]
    rig.clock.step(timedelta(minutes=5))
    deployed(rig, hook_id, 4, "shop")  # after the start
    answer = client.get(f"/v1/incidents/{incident}/postmortem", headers=headers)

    draft: Any = answer.json()
    factors = [f for f in draft["contributing_factors"] if f"deploy:{cited}" in f["evidence"]]
    assert len(factors) == 1
    assert "deploy of shop, version v2" in factors[0]["text"]
    assert "v1" not in str(draft["contributing_factors"])
    assert "v3" not in str(draft["contributing_factors"])
    assert "v4" not in str(draft["contributing_factors"])
