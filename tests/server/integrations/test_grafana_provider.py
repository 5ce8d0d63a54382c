"""Grafana: dashboards are imported once, and what was dropped is in the report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers.integration_rig import IntegrationRig, integration_rig
from tests.support.servers.json_peer import JsonPeer, Query, json_peer

TOKEN = "glsa_secret"


class GrafanaPeer:
    """The dashboards of a Grafana, in the form of its published API."""

    def __init__(self) -> None:
        self.dashboards: dict[str, dict[str, Any]] = {}

    def put(self, uid: str, title: str, expr: str = "up", **more: Any) -> None:
        version = self.dashboards.get(uid, {"version": 0})["version"] + 1
        source = {"type": "prometheus", "uid": "p"}
        panel = {
            "id": 1,
            "type": "timeseries",
            "title": "Requests",
            "datasource": source,
            "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
            "targets": [{"refId": "A", "expr": expr, "datasource": source}],
        }
        self.dashboards[uid] = {
            "uid": uid,
            "title": title,
            "version": version,
            "schemaVersion": 39,
            "panels": [panel],
            **more,
        }

    def answer(self, path: str, query: Query) -> Any:
        if path == "/api/search":
            assert query["type"] == ["dash-db"]
            size, page = int(query["limit"][0]), int(query["page"][0])
            found = sorted(self.dashboards)[(page - 1) * size : page * size]
            return [self._hit(uid) for uid in found]
        uid = path.removeprefix("/api/dashboards/uid/")
        if uid in self.dashboards:
            return {"dashboard": self.dashboards[uid], "meta": {"slug": uid}}
        return None

    def _hit(self, uid: str) -> dict[str, Any]:
        return {
            "uid": uid,
            "title": self.dashboards[uid]["title"],
            "type": "dash-db",
            "url": f"/d/{uid}/x",
            "tags": ["shop"],
            "folderTitle": "Team",
        }


@pytest.fixture
def grafana() -> GrafanaPeer:
    return GrafanaPeer()


@pytest.fixture
def peer(grafana: GrafanaPeer) -> Iterator[JsonPeer]:
    with json_peer(f"Bearer {TOKEN}", grafana.answer) as made:
        yield made


def connect(rig: IntegrationRig, peer: JsonPeer, **settings: Any) -> None:
    rig.post("/grafana/connect", {"base_url": peer.url, "token": TOKEN, **settings})
    rig.server.run_jobs()
    sync = rig.get("/grafana/syncs")["data"][0]
    assert sync["status"] == "succeeded", sync


def dashboards(rig: IntegrationRig) -> dict[str, Any]:
    headers = rig.server.bearer()
    found = rig.server.client.get("/v1/dashboards?limit=100", headers=headers).json()["data"]
    return {one["title"]: one for one in found}


def resources(rig: IntegrationRig, query: str = "") -> dict[str, Any]:
    found = rig.get(f"/grafana/resources?limit=100{query}")["data"]
    return {one["external_id"]: one for one in found}


def test_dashboards_are_imported_with_a_report(
    rig: IntegrationRig, peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    grafana.put("shop", "Shop", "rate(http_requests_total[5m])", links=[{"title": "x"}])
    connect(rig, peer)

    one = resources(rig)["shop"]
    imported = one["data"]["imported"]
    assert one["url"] == f"{peer.url}/d/shop/x"
    assert imported["not_imported"] == ["/links: dropped: links to other dashboards"]
    made = dashboards(rig)["Shop"]
    assert made["id"] == imported["dashboard_id"]
    path = f"/v1/dashboards/{made['id']}"
    whole = rig.server.client.get(path, headers=rig.server.bearer()).json()
    assert whole["panels"][0]["queries"][0]["expr"] == "rate(http_requests_total[5m])"
    assert whole["owner"]["id"] == rig.get("/grafana/status")["connected_by"]


def test_a_changed_dashboard_is_updated_and_not_doubled(
    rig: IntegrationRig, peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    grafana.put("shop", "Shop")
    connect(rig, peer)
    first = dashboards(rig)["Shop"]
    rig.step(900)
    assert dashboards(rig)["Shop"]["version"] == first["version"]
    assert rig.get("/grafana/syncs")["data"][0]["counts"] == {"dashboard": {"unchanged": 1}}

    grafana.put("shop", "Shop 2", "up == 0")
    rig.step(900)
    found = dashboards(rig)
    assert list(found) == ["Shop 2"]
    assert (found["Shop 2"]["id"], found["Shop 2"]["version"]) == (
        first["id"],
        first["version"] + 1,
    )


def test_a_dashboard_that_a_user_deleted_returns_only_with_a_change(
    rig: IntegrationRig, peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    grafana.put("shop", "Shop")
    connect(rig, peer)
    path = f"/v1/dashboards/{dashboards(rig)['Shop']['id']}"
    assert rig.server.client.delete(path, headers=rig.server.bearer()).status_code == 204
    rig.step(900)
    assert dashboards(rig) == {}

    grafana.put("shop", "Shop", "up == 0")
    rig.step(900)
    assert list(dashboards(rig)) == ["Shop"]


@pytest.mark.slow
def test_pages_and_vanished_dashboards(
    rig: IntegrationRig, peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    for number in range(45):
        grafana.put(f"d{number:02}", f"Dashboard {number}")
    connect(rig, peer)
    assert rig.get("/grafana/syncs")["data"][0]["pages"] == 3
    assert len(dashboards(rig)) == 45

    del grafana.dashboards["d07"]
    rig.step(900)
    assert list(resources(rig, "&vanished=true")) == ["d07"]
    assert len(dashboards(rig)) == 45


def test_a_dashboard_that_cannot_be_converted_is_an_error_of_its_own(
    rig: IntegrationRig, peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    grafana.put("good", "Good")
    grafana.put("bad", "")
    connect(rig, peer)

    assert list(dashboards(rig)) == ["Good"]
    assert "title" in resources(rig)["bad"]["data"]["imported"]["error"]


def test_a_limit_of_dashboards_is_an_error_of_the_import(
    peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    grafana.put("a", "A")
    grafana.put("b", "B")
    with integration_rig(max_dashboards=1) as rig:
        connect(rig, peer)

        assert list(dashboards(rig)) == ["A"]
        assert "dashboards" in resources(rig)["b"]["data"]["imported"]["error"]


@pytest.mark.slow
def test_a_dashboard_whose_resource_does_not_fit_is_not_imported(
    peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    with integration_rig(max_integration_resources=2) as rig:
        grafana.put("a", "A")
        grafana.put("b", "B")
        connect(rig, peer)
        grafana.put("c", "C")
        for _ in range(2):
            rig.step(900)

        assert rig.get("/grafana/syncs")["data"][0]["counts"]["dashboard"]["skipped"] == 1
        assert sorted(dashboards(rig)) == ["A", "B"]


def test_without_the_import_there_are_only_resources(
    rig: IntegrationRig, peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    grafana.put("shop", "Shop")
    connect(rig, peer, import_dashboards=False)

    assert dashboards(rig) == {}
    assert resources(rig)["shop"]["data"] == {"folder": "Team", "tags": ["shop"], "version": 1}


def test_a_dashboard_with_a_long_report_is_not_doubled(
    rig: IntegrationRig, peer: JsonPeer, grafana: GrafanaPeer
) -> None:
    lines = [{"name": "x" * 200, "datasource": {"type": "loki"}, "expr": "x"}] * 500
    grafana.put("shop", "Shop", annotations={"list": lines})
    connect(rig, peer)
    report = resources(rig)["shop"]["data"]["imported"]
    assert report["not_imported_count"] == 500
    assert 0 < len(report["not_imported"]) < 500
    grafana.put("shop", "Shop", "up == 0", annotations={"list": lines})
    rig.step(900)

    assert len(dashboards(rig)) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ((401, {}, {}), "unauthorized"),
        ((403, {}, {}), "forbidden_scope"),
        ((429, {}, {"Retry-After": "5"}), "rate_limited"),
        ((500, {}, {}), "provider_error"),
        ((200, {"message": "x"}, {}), "provider_error"),
        ((302, {}, {"Location": "/login"}), "provider_error"),
    ],
)
def test_reasons(
    rig: IntegrationRig, peer: JsonPeer, fault: tuple[int, Any, dict[str, str]], reason: str
) -> None:
    connect(rig, peer)
    peer.faults.append(fault)

    assert rig.post("/grafana/test")["reason_code"] == reason
    assert TOKEN not in rig.ask("GET", "/grafana/status").text
    assert TOKEN not in (rig.row().credentials or "")


def titles(rig: IntegrationRig) -> list[str]:
    """Of all dashboards of the tenant."""
    headers = rig.server.bearer()
    found = rig.server.client.get("/v1/dashboards?limit=100", headers=headers).json()["data"]
    return [one["title"] for one in found]


def test_a_dashboard_that_a_page_lists_twice_is_imported_once(
    rig: IntegrationRig, grafana: GrafanaPeer, peer: JsonPeer
) -> None:
    grafana.put("shop", "Shop")
    answer = peer.answer

    def twice(path: str, query: Query) -> Any:
        found = answer(path, query)
        return found * 2 if query.get("limit") == ["20"] else found

    peer.answer = twice
    connect(rig, peer)
    rig.step(900)

    assert titles(rig) == ["Shop"]


def test_a_dashboard_with_a_long_id_is_imported_once(
    rig: IntegrationRig, grafana: GrafanaPeer, peer: JsonPeer
) -> None:
    grafana.put("x" * 300, "Shop")
    connect(rig, peer)
    rig.step(900)
    rig.step(900)

    assert titles(rig) == ["Shop"]


def test_a_list_longer_than_requested_is_not_followed(
    rig: IntegrationRig, grafana: GrafanaPeer, peer: JsonPeer
) -> None:
    connect(rig, peer)
    for number in range(21):
        grafana.put(f"d{number}", "D")
    answer = peer.answer

    def all_at_once(path: str, query: Query) -> Any:
        return answer(path, {**query, "limit": ["100"]})

    peer.answer = all_at_once
    asked = len(peer.asked)
    rig.step(900)

    sync = rig.get("/grafana/syncs")["data"][0]
    assert sync["error"]["detail"] == "the answer lists 21 items; at most 20 were requested"
    assert len(peer.asked) == asked + 1


def test_a_wrong_token_does_not_connect(rig: IntegrationRig, peer: JsonPeer) -> None:
    answer = rig.ask("POST", "/grafana/connect", {"base_url": peer.url, "token": "glsa_wrong"})

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "connect_failed"
    assert "glsa_wrong" not in answer.text
