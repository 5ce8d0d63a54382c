"""PagerDuty: all lists in pages, and schedules that are created when all members are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from novaql.server.integrations.provider import Link, Reply
from novaql.server.integrations.providers.pagerduty import PAGERDUTY
from tests.support.messages.pagerduty_schedules import layer, schedule
from tests.support.servers.integration_rig import START, IntegrationRig, integration_rig
from tests.support.servers.json_peer import JsonPeer, Query, json_peer

KEY = "pd-secret-key"


class PagerDutyPeer:
    """An account, in the form of the published REST API."""

    def __init__(self) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = {
            "users": [user("PU1", "Ada"), user("PU2", "Bob")],
            "schedules": [schedule(layer())],
            "escalation_policies": [
                {
                    "id": "PE1",
                    "name": "Default",
                    "num_loops": 2,
                    "escalation_rules": [
                        {
                            "escalation_delay_in_minutes": 30,
                            "targets": [
                                {"type": "schedule_reference", "id": "PS1", "summary": "Payments"}
                            ],
                        }
                    ],
                }
            ],
            "services": [{"id": "PX1", "name": "Shop API", "status": "active"}],
            "incidents": [
                {
                    "id": "PI1",
                    "incident_number": 7,
                    "title": "Shop is slow",
                    "status": "triggered",
                    "urgency": "high",
                    "created_at": "2026-04-01T11:00:00Z",
                    "service": {"id": "PX1", "summary": "Shop API"},
                    "html_url": "https://acme.pagerduty.com/incidents/PI1",
                }
            ],
        }

    def answer(self, path: str, query: Query) -> Any:
        name = path.strip("/")
        if name.startswith("schedules/"):
            found = [one for one in self.lists["schedules"] if one["id"] == name[10:]]
            return {"schedule": found[0]} if found else None
        if name not in self.lists:
            return None
        if name == "incidents":
            assert query["statuses[]"] == ["triggered", "acknowledged"]
        size, offset = int(query["limit"][0]), int(query["offset"][0])
        assert size <= 100
        rows = self.lists[name]
        page = rows[offset : offset + size]
        shown = [{k: v for k, v in one.items() if k != "schedule_layers"} for one in page]
        more = offset + size < len(rows)
        return {name: shown, "limit": size, "offset": offset, "more": more}


def user(key: str, name: str) -> dict[str, Any]:
    email = f"{name}@Team.example"
    return {"id": key, "name": name, "email": email, "time_zone": "UTC", "role": "user"}


@pytest.fixture
def account() -> PagerDutyPeer:
    return PagerDutyPeer()


@pytest.fixture
def peer(account: PagerDutyPeer) -> Iterator[JsonPeer]:
    with json_peer(f"Token token={KEY}", account.answer) as made:
        yield made


def connect(rig: IntegrationRig, peer: JsonPeer, **settings: Any) -> None:
    rig.post("/pagerduty/connect", {"base_url": peer.url, "api_key": KEY, **settings})
    rig.server.run_jobs()


def resources(rig: IntegrationRig, kind: str, query: str = "") -> dict[str, Any]:
    found = rig.get(f"/pagerduty/resources?kind={kind}&limit=100{query}")["data"]
    return {one["external_id"]: one for one in found}


def plan(rig: IntegrationRig) -> dict[str, Any]:
    return dict(resources(rig, "schedule")["PS1"]["data"]["imported"])


def invite(rig: IntegrationRig, *names: str) -> list[str]:
    ids = []
    for name in names:
        body = {"email": f"{name}@team.example", "role": "operator"}
        headers = rig.server.bearer()
        found = rig.server.client.post("/v1/users", json=body, headers=headers)
        assert found.status_code == 201, found.text
        ids.append(str(found.json()["id"]))
    return ids


def schedules(rig: IntegrationRig) -> list[dict[str, Any]]:
    headers = rig.server.bearer()
    found = rig.server.client.get("/v1/oncall/schedules", headers=headers).json()
    return list(found["data"])


def test_every_list_is_imported(rig: IntegrationRig, peer: JsonPeer) -> None:
    connect(rig, peer)
    assert rig.get("/pagerduty/syncs")["data"][0]["status"] == "succeeded"

    assert {one["name"] for one in resources(rig, "user").values()} == {"Ada", "Bob"}
    assert resources(rig, "service")["PX1"]["service"] == "shop-api"
    incident = resources(rig, "incident")["PI1"]
    assert (incident["service"], incident["at"]) == ("shop-api", "2026-04-01T11:00:00Z")
    assert incident["data"] == {"number": 7, "status": "triggered", "urgency": "high"}
    steps = resources(rig, "escalation_policy")["PE1"]["data"]["steps"]
    assert steps[0]["targets"][0]["name"] == "Payments"
    assert resources(rig, "schedule")["PS1"]["data"]["layers"] == [
        {"name": "Layer 1", "turn_s": 604_800, "users": 2}
    ]


@pytest.mark.slow
def test_lists_are_read_in_pages(
    rig: IntegrationRig, peer: JsonPeer, account: PagerDutyPeer
) -> None:
    account.lists["users"] = [user(f"P{number:03}", f"u{number}") for number in range(250)]
    connect(rig, peer)

    sync = rig.get("/pagerduty/syncs")["data"][0]
    assert (sync["status"], sync["pages"]) == ("succeeded", 7)
    assert sync["counts"]["user"] == {"added": 250}
    rig.step(900)
    assert rig.get("/pagerduty/syncs")["data"][0]["counts"]["user"] == {"unchanged": 250}


def test_a_resolved_incident_vanishes(
    rig: IntegrationRig, peer: JsonPeer, account: PagerDutyPeer
) -> None:
    connect(rig, peer)
    account.lists["incidents"] = []
    rig.step(900)

    assert list(resources(rig, "incident", "&vanished=true")) == ["PI1"]


def test_without_the_setting_a_schedule_says_what_would_be_created(
    rig: IntegrationRig, peer: JsonPeer
) -> None:
    invite(rig, "ada")
    connect(rig, peer)

    assert schedules(rig) == []
    assert plan(rig)["plan"] == {"name": "Payments", "timezone": "Europe/Berlin", "layers": 1}
    assert plan(rig)["unknown_members"] == ["PU2"]
    assert plan(rig)["not_imported"] == ["members without a user here: PU2"]


@pytest.mark.slow
def test_a_schedule_is_created_once_all_members_are_known(
    rig: IntegrationRig, peer: JsonPeer
) -> None:
    ada = invite(rig, "ada")
    connect(rig, peer, import_schedules=True)
    assert schedules(rig) == []
    bob = invite(rig, "bob")
    rig.step(900)

    (made,) = schedules(rig)
    assert made["id"] == plan(rig)["schedule_id"]
    assert made["layers"][0]["members"] == [*ada, *bob]
    assert made["layers"][0]["rotation"]["hand_off"] == "mon 09:00:00"
    rig.step(900)
    assert [one["version"] for one in schedules(rig)] == [made["version"]]


def test_the_members_take_the_turns_that_they_take_at_pagerduty(
    rig: IntegrationRig, peer: JsonPeer
) -> None:
    ada, bob = invite(rig, "ada", "bob")
    connect(rig, peer, import_schedules=True)

    # The turns of a week begin on Monday, 5 January, at 9:00 in Berlin.
    for at, expected in (
        ("2026-04-05T12:00:00Z", ada),
        ("2026-04-06T06:59:59Z", ada),
        ("2026-04-06T07:00:00Z", bob),
        ("2026-04-13T07:00:00Z", ada),
    ):
        path = f"/v1/oncall?at={at}"
        found = rig.server.client.get(path, headers=rig.server.bearer()).json()["data"]
        assert found[0]["user"]["id"] == expected, at


def test_a_changed_schedule_is_replaced(
    rig: IntegrationRig, peer: JsonPeer, account: PagerDutyPeer
) -> None:
    invite(rig, "ada", "bob")
    connect(rig, peer, import_schedules=True)
    (made,) = schedules(rig)
    daily = layer(rotation_turn_length_seconds=86_400)
    account.lists["schedules"] = [schedule(daily)]
    rig.step(900)

    (changed,) = schedules(rig)
    assert changed["id"] == made["id"]
    assert changed["layers"][0]["rotation"]["type"] == "daily"


def test_a_schedule_that_cannot_be_expressed_is_not_created(
    rig: IntegrationRig, peer: JsonPeer, account: PagerDutyPeer
) -> None:
    invite(rig, "ada", "bob")
    account.lists["schedules"] = [schedule(layer(), layer(rotation_turn_length_seconds=60))]
    connect(rig, peer, import_schedules=True)

    assert schedules(rig) == []
    assert plan(rig)["not_imported"] == ["layer Layer 1: its turns are shorter than an hour"]


class Whole(dict[str, Any]):
    """A schedule that counts how many of them exist."""

    alive = most = 0

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content)
        Whole.alive += 1
        Whole.most = max(Whole.most, Whole.alive)

    def __del__(self) -> None:
        Whole.alive -= 1


class ScheduleLink:
    """An account with a full page of schedules."""

    settings = PAGERDUTY.Settings.model_validate({"api_key": KEY})
    now = START

    def get(self, url: str) -> Reply:
        if url.startswith("/schedules?"):
            return Reply(200, {}, {"schedules": [{"id": f"PS{n}"} for n in range(20)]})
        return Reply(200, {}, {"schedule": Whole(schedule(layer()))})


def test_whole_schedules_are_read_one_after_another() -> None:
    """Each may be as large as an answer."""
    page = PAGERDUTY.sync(cast("Link", ScheduleLink()), "schedules 0")

    assert (len(page.resources), len(page.imports)) == (20, 20)
    assert Whole.most <= 2


@pytest.mark.slow
def test_a_rate_limit_delays_the_next_attempt(rig: IntegrationRig, peer: JsonPeer) -> None:
    rig.post("/pagerduty/connect", {"base_url": peer.url, "api_key": KEY})
    peer.faults.append((429, {}, {"ratelimit-reset": "90"}))
    rig.server.run_jobs()
    assert rig.get("/pagerduty/syncs")["data"][0]["error"]["reason_code"] == "rate_limited"
    asked = len(peer.asked)
    rig.step(80)
    assert len(peer.asked) == asked
    rig.step(15)

    assert rig.get("/pagerduty/syncs")["data"][0]["status"] == "succeeded"


def test_a_failed_sync_is_followed_when_the_rate_limit_allows_it(peer: JsonPeer) -> None:
    with integration_rig(integration_sync_tries=1) as rig:
        rig.post("/pagerduty/connect", {"base_url": peer.url, "api_key": KEY})
        peer.faults.append((429, {}, {"Retry-After": "1800"}))
        rig.server.run_jobs()
        assert rig.get("/pagerduty/syncs")["data"][0]["status"] == "failed"
        asked = len(peer.asked)
        rig.step(1799)
        assert len(peer.asked) == asked
        rig.step(1)
        assert rig.get("/pagerduty/syncs")["data"][0]["status"] == "succeeded"


@pytest.mark.parametrize("name", ["ratelimit-reset", "x-ratelimit-reset"])
def test_another_failure_does_not_wait_for_the_reset_of_the_rate_limit(
    rig: IntegrationRig, peer: JsonPeer, name: str
) -> None:
    rig.post("/pagerduty/connect", {"base_url": peer.url, "api_key": KEY})
    reset = "3000" if name == "ratelimit-reset" else f"{START.timestamp() + 3000:.0f}"
    peer.faults.append((502, {}, {name: reset, "x-ratelimit-remaining": "4999"}))
    rig.server.run_jobs()
    rig.step(2)

    assert rig.get("/pagerduty/syncs")["data"][0]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ((401, {}, {}), "unauthorized"),
        ((403, {}, {}), "forbidden_scope"),
        ((429, {}, {}), "rate_limited"),
        ((502, {}, {}), "provider_error"),
        ((200, {"users": None}, {}), "provider_error"),
    ],
)
def test_reasons(
    rig: IntegrationRig, peer: JsonPeer, fault: tuple[int, Any, dict[str, str]], reason: str
) -> None:
    connect(rig, peer)
    peer.faults.append(fault)

    assert rig.post("/pagerduty/test")["reason_code"] == reason
    assert KEY not in rig.ask("GET", "/pagerduty/status").text
    assert KEY not in rig.ask("GET", "").text
    assert KEY not in (rig.row().credentials or "")


@pytest.mark.slow
def test_services_are_added_to_the_catalog_with_their_descriptions(
    rig: IntegrationRig, peer: JsonPeer, account: PagerDutyPeer
) -> None:
    service = account.lists["services"][0]
    service["description"] = "sells"
    connect(rig, peer, import_services=True, services={"Shop API": "shop"})
    for description in ("sells more", "sells more"):
        service["description"] = description
        rig.step(900)

    (found,) = rig.server.client.get("/v1/services", headers=rig.server.bearer()).json()["data"]
    assert (found["name"], found["description"], found["version"]) == ("shop", "sells more", 2)
    assert resources(rig, "service")["PX1"]["data"]["imported"]["service_id"] == found["id"]
