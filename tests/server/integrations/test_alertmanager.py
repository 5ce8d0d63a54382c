"""Alertmanager: alerts of the real program, and how its provider fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.programs.alertmanager_program import Alertmanager, running_alertmanager
from tests.support.servers.fake_provider import Answer
from tests.support.servers.integration_rig import IntegrationRig, integration_rig


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    folder: Path = tmp_path_factory.mktemp("alertmanager") / "am"
    with running_alertmanager(folder) as found:
        yield found


def alert(name: str, *, ended: bool = False, **labels: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    ends = now - timedelta(seconds=1) if ended else now + timedelta(hours=1)
    return {
        "labels": {"alertname": name, **labels},
        "annotations": {"summary": f"{name} happens"},
        "startsAt": (now - timedelta(minutes=5)).isoformat(),
        "endsAt": ends.isoformat(),
        "generatorURL": "https://prometheus.example/graph",
    }


def alerts(rig: IntegrationRig, query: str = "") -> dict[str, Any]:
    found = rig.get(f"/alertmanager/resources?kind=alert&limit=100{query}")["data"]
    return {one["name"]: one for one in found}


@pytest.mark.slow
def test_alerts_are_imported_and_vanish_when_they_end(
    rig: IntegrationRig, real: Alertmanager
) -> None:
    first = alert("Slow", service="shop", severity="page")
    real.fire([first, alert("Down", job="db")])
    rig.post("/alertmanager/connect", {"base_url": real.url})
    rig.server.run_jobs()

    found = alerts(rig)
    assert sorted(found) == ["Down", "Slow"]
    assert found["Slow"]["service"] == "shop"
    assert found["Slow"]["data"]["labels"]["severity"] == "page"
    assert found["Slow"]["data"]["state"] in ("active", "unprocessed")
    assert found["Slow"]["data"]["receivers"] == ["team"]
    assert found["Down"]["service"] is None

    real.fire([{**alert("Slow", ended=True, service="shop", severity="page")}])
    rig.step(900)
    assert sorted(alerts(rig, "&vanished=true")) == ["Slow"]
    assert sorted(alerts(rig, "&vanished=false")) == ["Down"]


def test_a_second_sync_of_the_same_alerts_changes_nothing(
    rig: IntegrationRig, real: Alertmanager
) -> None:
    one = alert("Again", zone="a")
    real.fire([one])
    rig.post("/alertmanager/connect", {"base_url": real.url})
    rig.server.run_jobs()
    rows = len(alerts(rig))
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    real.fire([{**one, "endsAt": later}])
    rig.step(900)

    counts = rig.get("/alertmanager/syncs")["data"][0]["counts"]["alert"]
    assert counts.get("unchanged", 0) == rows
    assert "added" not in counts


def test_more_alerts_than_a_page_has(rig: IntegrationRig, real: Alertmanager) -> None:
    real.fire([alert("Many", number=str(number)) for number in range(230)])
    rig.post("/alertmanager/connect", {"base_url": real.url})
    rig.server.run_jobs()

    sync = rig.get("/alertmanager/syncs")["data"][0]
    assert (sync["status"], sync["pages"]) == ("succeeded", 2)
    assert sync["counts"]["alert"]["added"] >= 230
    real.fire([alert("Many", number=str(number), ended=True) for number in range(230)])


def test_the_test_names_the_version(rig: IntegrationRig, real: Alertmanager) -> None:
    rig.post("/alertmanager/connect", {"base_url": real.url})
    shown = rig.post("/alertmanager/test")
    assert shown["ok"], shown
    assert shown["detail"].startswith("Alertmanager 0.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {}), "unauthorized"),
        ((403, {}), "forbidden_scope"),
        ((429, {}), "rate_limited"),
        ((500, {}), "provider_error"),
        ((200, {}), "provider_error"),
        ((200, b"<html>"), "provider_error"),
    ],
)
def test_reasons(rig: IntegrationRig, answer: Answer, reason: str) -> None:
    status = {"versionInfo": {"version": "0.28.1"}, "cluster": {"status": "ready"}}
    rig.fake.fail("/api/v2/status", (200, status), answer)
    rig.post("/alertmanager/connect", {"base_url": rig.fake.url, "token": "am-secret"})

    assert rig.post("/alertmanager/test")["reason_code"] == reason
    assert "am-secret" not in rig.ask("GET", "/alertmanager/status").text


def test_a_private_address_is_rejected_and_not_dialed() -> None:
    with integration_rig(egress_allow="") as rig:
        answer: httpx.Response = rig.ask(
            "POST", "/alertmanager/connect", {"base_url": rig.fake.url}
        )
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "target_not_allowed"
        assert rig.fake.asked == []
