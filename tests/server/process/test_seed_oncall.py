"""On-call schedules of the first description, over HTTP, against a real process with workers.

As a second tenant, on both databases, whose neighbour has a schedule with the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import icalendar
import pytest

from tests.support.contract.seed import promised
from tests.support.servers.state_databases import KINDS
from tests.support.servers.tenant_client import TenantClient, second_tenant

pytestmark = pytest.mark.slow

OURS = ("/oncall",)
EMPTY = {"name": "payments", "timezone": "UTC", "layers": []}


@pytest.fixture(scope="module", params=KINDS)
def acme(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TenantClient]:
    data = tmp_path_factory.mktemp("oncall") / "data"
    with second_tenant(request.param, data, workers="2") as (here, first):
        first.json("POST", "/v1/oncall/schedules", EMPTY, 201)
        yield here


def user(acme: TenantClient, name: str) -> str:
    body = {"email": f"{name.lower()}@team.example", "name": name, "role": "operator"}
    found: str = acme.json("POST", "/v1/users", body, 201)["id"]
    return found


def test_a_schedule_from_beginning_to_end(acme: TenantClient) -> None:
    ada, bob = user(acme, "Ada"), user(acme, "Bob")
    assert acme.json("GET", "/v1/oncall")["data"] == []
    layer = {
        "start": "2027-03-01T00:00:00Z",
        "rotation": {"type": "daily", "hand_off": "02:30"},
        "members": [bob, ada],
    }
    body = {"name": "payments", "timezone": "Europe/Berlin", "layers": [layer]}
    acme.json("POST", "/v1/oncall/schedules", {**body, "timezone": "Mars/Base"}, 400)
    made = acme.json("POST", "/v1/oncall/schedules", body, 201)
    path = f"/v1/oncall/schedules/{made['id']}"
    assert [one["id"] for one in acme.json("GET", "/v1/oncall/schedules")["data"]] == [made["id"]]
    span = {"start": "2027-03-28T12:00:00Z", "end": "2027-03-28T14:00:00Z"}
    swap = {"schedule_id": made["id"], "user_id": ada, **span}
    override = acme.json("POST", "/v1/oncall/overrides", swap, 201)
    acme.json("POST", "/v1/oncall/overrides", {**swap, "end": span["start"]}, 400)

    (now,) = acme.json("GET", "/v1/oncall?at=2027-03-28T13:00:00Z")["data"]
    assert now["schedule"] == made["id"]
    contact = {"email": "ada@team.example", "methods": []}
    assert now["user"] == {"id": ada, "name": "Ada", "contact": contact}
    assert (now["source"], now["until"]) == ("override", "2027-03-28T14:00:00Z")
    shifts = f"{path}/shifts?from=2027-03-27T01:30:00Z&to=2027-03-29T00:30:00Z"
    assert [
        (one["from_local"][:16], one["user"]["name"]) for one in acme.json("GET", shifts)["data"]
    ] == [
        ("2027-03-27T02:30", "Ada"),
        ("2027-03-28T03:00", "Bob"),
        ("2027-03-28T14:00", "Ada"),
        ("2027-03-28T16:00", "Bob"),
    ]
    changed = acme.json(
        "POST", "/v1/oncall/schedules", {**body, "id": made["id"], "version": 1, "name": "shop"}
    )
    assert acme.json("GET", path) == changed
    acme.ask("DELETE", f"/v1/oncall/overrides/{override['id']}", expect=204)
    assert acme.json("GET", "/v1/oncall/overrides")["data"] == []


def test_a_feed_is_read_without_a_token(acme: TenantClient) -> None:
    ada = user(acme, "Eve")
    rotation = {"type": "weekly", "hand_off": "mon 09:00"}
    layer = {"start": "2026-01-01T00:00:00Z", "rotation": rotation, "members": [ada]}
    body = {"name": "nights", "timezone": "America/New_York", "layers": [layer]}
    made = acme.json("POST", "/v1/oncall/schedules", body, 201)
    path = f"/v1/oncall/schedules/{made['id']}/ical-secret"
    first = acme.json("POST", path)["url"]
    url = acme.json("POST", path)["url"]
    assert url.startswith(acme.server.url)
    assert httpx.get(first).status_code == 403
    answers = [httpx.get(url) for _ in range(4)]  # of both workers
    assert {answer.status_code for answer in answers} == {200}
    events: Any = icalendar.Calendar.from_ical(answers[0].content).walk("VEVENT")
    assert 28 < len(events) < 34
    assert {event["DTSTART"].dt.hour for event in events} == {9}
    acme.ask("DELETE", path, expect=204)
    assert httpx.get(url).status_code == 403
    acme.ask("DELETE", f"/v1/oncall/schedules/{made['id']}", expect=204)
    acme.json("GET", f"/v1/oncall/schedules/{made['id']}", expect=404)


def test_every_promised_endpoint_was_used(acme: TenantClient) -> None:
    assert promised(*OURS) - acme.used == set()
