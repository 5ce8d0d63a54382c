"""Links that the server sends, and those of Prometheus, open the page in the real browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from novaql.server.notifications.alertmanager_payload import webhook_payload
from novaql.server.notifications.tables import Notification
from novaql.server.routes import ROUTES
from tests.support.programs.console_page import Console
from tests.support.servers.http_server import LocalServer

pytestmark = pytest.mark.slow

EXPR = 'sum by (service) (rate(http_requests_total{status=~"5.."}[5m])) > 0.5 + 0'
ALERT = {
    "rule_id": "rul_1",
    "id": "alrt_1",
    "state": "firing",
    "labels": {"alertname": "Errors"},
    "annotations": {},
    "fired_at": "2026-04-01T12:00:00Z",
    "started_at": "2026-04-01T12:00:00Z",
    "resolved_at": None,
    "value": 1.0,
}


def test_the_link_of_an_alert_opens_its_expression(console: Console) -> None:
    payload = {"alerts": [ALERT], "group_labels": {}, "route": "r", "truncated": 0}
    row = Notification(id="ntf_1", channel="hook", why="alert", payload=payload)
    body = webhook_payload(row, console.address.rstrip("/"), {"rul_1": EXPR})
    link = body["alerts"][0]["generatorURL"]
    assert "/graph?g0.expr=sum+by" in link
    console.open()  # signs in
    console.page.wait_for_selector("#legend tbody tr")
    console.page.goto(link)
    expect(console.page.locator("#query")).to_have_value(EXPR)
    expect(console.page.locator("#tab-table")).to_have_attribute("aria-selected", "true")
    expect(console.page.locator("#stats")).to_contain_text("series read")
    assert console.complaints == []


def test_a_graph_of_prometheus_keeps_its_range(console: Console) -> None:
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    link = f"graph?g0.expr=max(queue_depth)&g0.tab=0&g0.range_input=2h&g0.end_input={end:%F %T}"
    console.open(link)
    expect(console.page.locator("#legend tbody tr")).to_have_count(1)
    expect(console.page.locator("#tab-chart")).to_have_attribute("aria-selected", "true")
    at = int(end.timestamp())
    expect(console.page).to_have_url(
        f"{console.address}?q=max%28queue_depth%29&range=custom&from={at - 7200}&to={at}"
    )
    console.page.reload()
    expect(console.page.locator("#legend tbody tr")).to_have_count(1)


def test_a_graph_without_an_end_is_of_now(console: Console) -> None:
    console.open("graph?g0.expr=max(queue_depth)&g0.tab=graph&g0.range_input=6h")
    expect(console.page.locator("#legend tbody tr")).to_have_count(1)
    expect(console.page.locator("#ranges [data-range='6h']")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_the_page_hides_no_endpoint(demo: LocalServer) -> None:
    assert {"/", "/graph", "/docs"}.isdisjoint(route.path for route in ROUTES)
    page = demo.client.get("/graph?g0.expr=up")
    assert (page.status_code, page.content) == (200, demo.client.get("/").content)
    assert demo.client.get("/graphs").status_code == 404
    assert demo.client.post("/graph").status_code == 405
