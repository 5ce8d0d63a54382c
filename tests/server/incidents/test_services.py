"""Incidents where the catalog shows them, and where they hold a service back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from tests.server.incidents.conftest import Desk
from tests.support.servers.http_server import token_of


def recent(desk: Desk, query: str = "") -> list[str]:
    return [one["id"] for one in desk.get(f"/services/api{query}")["recent_incidents"]]


def test_a_service_shows_its_newest_incidents(desk: Desk) -> None:
    desk.service("ledger")
    assert recent(desk) == []
    assert desk.get("/services/api")["open_incidents"] == 0
    made = [desk.open(services=["ledger", "api"])["id"] for _ in range(7)]
    desk.open(services=["ledger"])
    desk.post(f"/incidents/{made[-1]}/resolve", {"note": "done"})
    newest = made[::-1]

    assert recent(desk) == newest[:5]
    assert recent(desk, "?incidents=2") == newest[:2]
    assert recent(desk, "?incidents=50") == newest
    assert recent(desk, "?incidents=0") == []
    shown = desk.get("/services/api?incidents=2")["recent_incidents"]
    assert [one["status"] for one in shown] == ["resolved", "triggered"]
    assert desk.get("/services/api")["open_incidents"] == 6
    assert desk.get("/services/ledger")["open_incidents"] == 7
    assert shown[0]["resolved_at"] == "2026-04-01T12:00:00Z"
    assert shown[1].keys() == {"id", "title", "severity", "status", "created_at", "resolved_at"}


@pytest.mark.parametrize("query", ["incidents=51", "incidents=-1", "incidents=x", "limit=3"])
def test_how_many_is_bounded(shared: Desk, query: str) -> None:
    assert shared.refused("GET", f"/services/api?{query}") == (400, "validation_error")


def test_what_is_kept_of_a_service_follows_its_incidents(desk: Desk) -> None:
    assert recent(desk) == recent(desk) == []
    made = desk.open()["id"]
    assert recent(desk) == [made]
    desk.post(f"/incidents/{made}/ack")
    assert desk.get("/services/api")["recent_incidents"][0]["status"] == "acknowledged"


def test_another_tenant_sees_none_of_them(desk: Desk) -> None:
    database = desk.server.context.database
    other = add_tenant(database, desk.clock, "other").id
    eve = token_of(database, other, Role.ADMIN, "eve@example.com")
    desk.post("/services", {"name": "api", "owner": "x", "tier": "t"}, 201, token=eve)
    desk.open()

    theirs = desk.ask("GET", "/services/api", token=eve).json()
    assert (theirs["open_incidents"], theirs["recent_incidents"]) == (0, [])
    assert desk.ask("DELETE", "/services/api", token=eve).status_code == 204


def test_a_service_with_open_incidents_stays(desk: Desk) -> None:
    one, two = desk.open()["id"], desk.open()["id"]
    desk.post(f"/incidents/{two}/ack")
    answer = desk.ask("DELETE", "/services/api")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "service_has_open_incidents"
    assert f"2 open incidents: {one}, {two}" in answer.json()["error"]["message"]
    for incident in (one, two):
        desk.post(f"/incidents/{incident}/resolve", {"note": "done"})

    assert desk.ask("DELETE", "/services/api").status_code == 204
    assert desk.get(f"/incidents/{one}")["services"] == ["api"]
    assert [row["id"] for row in desk.get("/incidents?service=api")["data"]] == [two, one]
    assert desk.refused("GET", "/services/api") == (404, "service_not_found")


@pytest.mark.slow
def test_a_service_that_goes_while_an_incident_begins(desk: Desk) -> None:
    """Either the incident is first, and the service stays; or the service goes, and it is a 422."""
    body = {"title": "errors", "severity": "sev2"}
    outcomes = set()
    for number in range(12):
        name = f"svc-{number}"
        desk.service(name)
        with ThreadPoolExecutor(4) as pool:
            starts = [
                pool.submit(desk.ask, "POST", "/incidents", {**body, "services": [name]})
                for _ in range(2)
            ]
            end = pool.submit(desk.ask, "DELETE", f"/services/{name}")
            codes = [one.result().status_code for one in starts]
            gone = end.result().status_code == 204
        assert codes in ([201, 201], [422, 422], [201, 422], [422, 201])
        assert gone == (201 not in codes)
        assert gone == (desk.ask("GET", f"/services/{name}").status_code == 404)
        assert len(desk.get(f"/incidents?service={name}")["data"]) == codes.count(201)
        outcomes.add(gone)
    assert outcomes
