"""A dashboard is deleted while one of its panels is embedded."""

from __future__ import annotations

import pytest

from novaql.server.dashboards import service
from tests.support.servers.at_once import beside_unit
from tests.support.servers.http_server import LocalServer

pytestmark = pytest.mark.slow

PANEL = {
    "title": "up",
    "type": "stat",
    "queries": [{"expr": "up"}],
    "grid": {"x": 0, "y": 0, "w": 4, "h": 4},
}


def test_a_panel_whose_dashboard_is_being_deleted(served: LocalServer) -> None:
    body = {"title": "Fleet", "panels": [PANEL]}
    bearer = served.bearer()
    made = served.client.post("/v1/dashboards", json=body, headers=bearer).json()
    path = f"/v1/panels/{made['panels'][0]['id']}/embeds"
    asked = {"expires_in": "1h", "origins": ["https://wiki.example.com"]}
    answer = beside_unit(
        served,
        lambda unit: service.end(unit, made["id"]),
        lambda: served.client.post(path, json=asked, headers=bearer),
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "panel_not_found")
