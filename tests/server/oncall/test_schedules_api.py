"""/v1/oncall over HTTP, with a stepped clock, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from novaql.server.auth.bootstrap import set_limits
from novaql.server.clock import rfc3339
from novaql.server.db.unit import Origin, system_actor
from novaql.server.oncall.shifts import on_call
from tests.server.oncall.conftest import NOW, Rota, layer, names
from tests.server.oncall.test_model import DST_TABLE, at


def test_a_schedule_from_beginning_to_end(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    made = rota.schedule(ada, bob)
    path = f"/oncall/schedules/{made['id']}"
    assert rota.get(path) == made
    assert made["id"].startswith("sch_")
    assert [user["name"] for user in made["users"]] == ["Ada", "Bob"]
    assert [one["id"] for one in rota.get("/oncall/schedules")["data"]] == [made["id"]]

    saved = {"id": made["id"], "name": "shop", "timezone": "UTC", "layers": [layer(bob)]}
    assert rota.refused("POST", "/oncall/schedules", saved)[:2] == (409, "version_conflict")
    changed = rota.post("/oncall/schedules", {**saved, "version": 1}, 200)
    assert (changed["version"], changed["name"]) == (2, "shop")
    stale = rota.refused("POST", "/oncall/schedules", {**saved, "version": 1})
    assert stale[:2] == (409, "version_conflict")

    rota.override(made["id"], ada, "2026-04-02T00:00:00Z", "2026-04-03T00:00:00Z")
    assert rota.ask("DELETE", path).status_code == 204
    assert rota.ask("DELETE", path).status_code == 404
    assert rota.get("/oncall/overrides")["data"] == []
    assert rota.get("/oncall")["data"] == []


def test_contact_methods_are_named_without_their_secrets(rota: Rota) -> None:
    ada = rota.user("ada")
    hook = {"name": "phone", "type": "webhook", "webhook": {"url": "https://192.0.43.8/secret"}}
    ids = [rota.post(f"/users/{ada}/contact-methods", hook)["id"]]
    rota.post(f"/users/{ada}/contact-methods", {"name": "log", "type": "sink"})
    made = rota.schedule(ada)
    both = [{"name": "phone", "type": "webhook"}, {"name": "log", "type": "sink"}]
    assert rota.on_call(made["id"])["user"]["contact"]["methods"] == both
    for delay in ("1m", "5m"):
        rule = {"contact_method_id": ids[0], "delay": delay}
        rota.post(f"/users/{ada}/notification-rules", rule)
    assert rota.on_call(made["id"])["user"]["contact"]["methods"] == both[:1]
    assert "secret" not in rota.ask("GET", "/oncall").text


def test_the_user_on_call_with_contact(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    made = rota.schedule(bob, ada)
    now = rota.on_call(made["id"])
    assert now["schedule"] == made["id"]
    contact = {"email": "bob@team.example", "methods": []}
    assert now["user"] == {"id": bob, "name": "Bob", "contact": contact}
    assert (now["from"], now["until"]) == ("2026-04-01T07:00:00Z", "2026-04-02T07:00:00Z")
    assert (now["source"], now["layer"], now["gap"]) == ("layer", 0, None)

    rota.override(made["id"], ada, "2026-04-01T11:00:00Z", "2026-04-01T13:00:00Z", reason="swap")
    now = rota.on_call(made["id"])
    assert (now["user"]["id"], now["source"]) == (ada, "override")
    assert (now["from"], now["until"]) == ("2026-04-01T11:00:00Z", "2026-04-01T13:00:00Z")
    rota.clock.step(timedelta(hours=1))
    assert rota.on_call(made["id"])["user"]["id"] == bob
    assert rota.on_call(made["id"], "2026-04-02T12:00:00Z")["user"]["id"] == ada
    before = rota.on_call(made["id"], "2026-02-01T00:00:00Z")
    assert (before["user"], before["gap"], before["from"]) == (None, "not_started", None)
    assert before["until"] == "2026-03-01T00:00:00Z"


def test_a_change_is_in_force_although_the_clock_was_set_back(rota: Rota) -> None:
    ada, bob, eve = rota.user("ada"), rota.user("bob"), rota.user("eve")
    made = rota.schedule(ada)
    changed = rota.schedule(bob, status=200, id=made["id"], version=made["version"])
    rota.clock.step(-timedelta(days=1))
    assert rota.on_call(made["id"])["user"]["id"] == bob
    rota.schedule(eve, status=200, id=made["id"], version=changed["version"])

    assert rota.on_call(made["id"])["user"]["id"] == eve
    assert rota.on_call(made["id"], "2026-04-01T00:00:00Z")["user"]["id"] == eve
    assert rota.on_call(made["id"], "2026-03-31T00:00:00Z")["user"]["id"] == ada


def test_every_schedule_is_in_the_list_by_pages(rota: Rota) -> None:
    ada = rota.user("ada")
    ids = [rota.schedule(ada, name=f"s{number}")["id"] for number in range(3)]
    first = rota.get("/oncall?limit=2")
    second = rota.get(f"/oncall?limit=2&cursor={first['next_cursor']}")
    assert [one["schedule"] for one in first["data"] + second["data"]] == ids
    assert "next_cursor" not in second


def test_a_preview_names_its_gaps(rota: Rota) -> None:
    ada = rota.user("ada")
    office = {"start": "09:00", "end": "17:00", "days": ["mon", "tue", "wed", "thu", "fri"]}
    made = rota.schedule(layers=[layer(ada, restrictions=[office])])
    path = f"/oncall/schedules/{made['id']}/shifts"
    shown = rota.get(f"{path}?from=2026-04-03T00:00:00Z&to=2026-04-06T12:00:00Z")

    assert [(one["from_local"], one["until_local"], one["gap"]) for one in shown["data"]] == [
        ("2026-04-03T02:00:00+02:00", "2026-04-03T09:00:00+02:00", "outside_restrictions"),
        ("2026-04-03T09:00:00+02:00", "2026-04-03T17:00:00+02:00", None),
        ("2026-04-03T17:00:00+02:00", "2026-04-06T09:00:00+02:00", "outside_restrictions"),
        ("2026-04-06T09:00:00+02:00", "2026-04-06T14:00:00+02:00", None),
    ]
    assert [one["from"] for one in shown["gaps"]] == [
        "2026-04-03T00:00:00Z",
        "2026-04-03T15:00:00Z",
    ]
    usual = rota.get(path)
    assert (usual["from"], usual["to"]) == ("2026-04-01T12:00:00Z", "2026-05-01T12:00:00Z")


@pytest.mark.parametrize(
    "row", [row for row in DST_TABLE if row[1].unit in ("daily", "weekly")], ids=lambda row: row[2]
)
def test_the_table_of_hand_offs_when_clocks_change(shared: Rota, row: Any) -> None:
    zone, rotation, start, end, minutes = row
    ada, bob = _two(shared)
    hand_off = rotation.at.strftime("%H:%M")
    if rotation.day is not None:
        hand_off = f"mon {hand_off}"
    one = layer(ada, bob, start="2010-01-01T00:00:00Z")
    one["rotation"] = {"type": rotation.unit, "hand_off": hand_off}
    made = shared.schedule(timezone=zone, layers=[one])
    first, last = at(start) - timedelta(days=9), at(end) + timedelta(days=9)
    spans = shared.shifts(made["id"], rfc3339(first), rfc3339(last))
    (shift,) = [span for span in spans if span["from_local"] == f"{start[:16]}:00{start[16:]}"]
    assert shift["until_local"] == f"{end[:16]}:00{end[16:]}"
    assert at(shift["until"]) - at(shift["from"]) == timedelta(minutes=minutes)


_KNOWN: dict[int, tuple[str, str]] = {}


def _two(shared: Rota) -> tuple[str, str]:
    """Two users of a server that tests share."""
    key = id(shared)
    if key not in _KNOWN:
        number = len(shared.get("/users?limit=200")["data"])
        _KNOWN[key] = shared.user(f"one{number}"), shared.user(f"two{number}")
    return _KNOWN[key]


def test_overrides_are_listed_changed_and_ended(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    made = rota.schedule(ada)
    past = rota.override(made["id"], bob, "2026-03-30T00:00:00Z", "2026-03-31T00:00:00Z")
    current = rota.override(made["id"], bob, "2026-04-01T10:00:00Z", "2026-04-01T14:00:00Z")
    future = rota.override(made["id"], bob, "2026-04-03T10:00:00Z", "2026-04-03T14:00:00Z")
    assert current["user"] == {"id": bob, "name": "Bob"}
    assert current["id"].startswith("ovr_")

    for one, status in ((past, 404), (current, 204), (current, 404), (future, 204), (future, 404)):
        assert rota.ask("DELETE", f"/oncall/overrides/{one['id']}").status_code == status
    found = rota.get(f"/oncall/overrides?schedule={made['id']}&user={bob}")["data"]
    assert [(one["id"], one["end"]) for one in found] == [
        (past["id"], "2026-03-31T00:00:00Z"),
        (current["id"], "2026-04-01T12:00:00Z"),
    ]
    later = rota.get("/oncall/overrides?from=2026-04-01T00:00:00Z&to=2026-04-01T11:00:00Z")["data"]
    assert [one["id"] for one in later] == [current["id"]]


def test_the_last_created_of_overlapping_overrides(rota: Rota) -> None:
    ada, bob, eve = rota.user("ada"), rota.user("bob"), rota.user("eve")
    made = rota.schedule(ada)
    rota.override(made["id"], bob, "2026-04-01T10:00:00Z", "2026-04-01T14:00:00Z")
    rota.override(made["id"], eve, "2026-04-01T09:00:00Z", "2026-04-01T13:00:00Z")
    assert rota.on_call(made["id"])["user"]["name"] == "Eve"
    spans = rota.shifts(made["id"], "2026-04-01T08:00:00Z", "2026-04-01T15:00:00Z")
    assert names(spans) == ["Ada", "Eve", "Bob", "Ada"]


def test_a_deactivated_user_is_a_named_gap_from_then_on(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    made = rota.schedule(bob, ada)
    other = rota.schedule(ada)
    rota.override(other["id"], bob, "2026-04-05T00:00:00Z", "2026-04-05T06:00:00Z")
    assert rota.ask("DELETE", f"/users/{bob}").status_code == 204
    for _ in range(2):  # before and after the relay has passed the event on
        spans = rota.shifts(made["id"], "2026-03-31T07:00:00Z", "2026-04-04T07:00:00Z")
        assert names(spans) == ["Ada", "Bob", None, "Ada", None]
        assert spans[2]["from"] == "2026-04-01T12:00:00Z"
        assert (spans[2]["gap"], spans[2]["absent"]) == ("user_left", [{"id": bob, "name": "Bob"}])
        now = rota.on_call(made["id"])
        assert (now["user"], now["gap"]) == (None, "user_left")
        rota.server.run_jobs()
    covered = rota.shifts(other["id"], "2026-04-05T00:00:00Z", "2026-04-05T06:00:00Z")
    assert (names(covered), covered[0]["absent"][0]["name"]) == (["Ada"], "Bob")
    users = rota.get(f"/oncall/schedules/{made['id']}")["users"]
    assert [user["left_at"] for user in users] == ["2026-04-01T12:00:00Z", None]

    # The schedule can still be saved with the member, but no other one can take them in.
    body = {"name": "p", "timezone": "UTC", "layers": [layer(bob, ada)]}
    rota.post("/oncall/schedules", {**body, "id": made["id"], "version": 1}, 200)
    assert rota.refused("POST", "/oncall/schedules", body) == (
        *(422, "unknown_user"),
        ["/layers/0/members/0"],
    )


def test_who_is_on_call_for_other_domains(rota: Rota) -> None:
    ada = rota.user("ada")
    made = rota.schedule(ada)
    context = rota.server.context
    scoped = context.scoped(context.access.default_principal)
    with scoped.unit(system_actor("test"), Origin("test"), writes=False) as unit:
        found = on_call(unit, made["id"], NOW)
        assert found is not None
        assert found.user is not None
        assert (found.user.id, found.user.email) == (ada, "ada@team.example")
        assert on_call(unit, "sch_none", NOW) is None


def _layer_with(**fields: Any) -> dict[str, Any]:
    return {"name": "s", "timezone": "UTC", "layers": [layer("usr_x", **fields)]}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "s", "timezone": "Mars/Base", "layers": []}, "/timezone"),
        ({"name": "s", "timezone": "../../etc/passwd", "layers": []}, "/timezone"),
        (_layer_with(members=[]), "/layers/0/members"),
        (_layer_with(end="2026-03-01T00:00:00Z"), "/layers/0/end"),
        (_layer_with(start="1900-01-01T00:00:00Z"), "/layers/0/start"),
        (
            _layer_with(rotation={"type": "daily", "hand_off": "25:00"}),
            "/layers/0/rotation/hand_off",
        ),
        (
            _layer_with(rotation={"type": "daily", "hand_off": "mon 09:00"}),
            "/layers/0/rotation/hand_off",
        ),
        (
            _layer_with(rotation={"type": "custom", "hand_off": "09:00"}),
            "/layers/0/rotation/length",
        ),
        (
            _layer_with(rotation={"type": "custom", "hand_off": "09:00", "length": "59m"}),
            "/layers/0/rotation/length",
        ),
        (
            _layer_with(rotation={"type": "weekly", "hand_off": "09:00", "length": "8d"}),
            "/layers/0/rotation/length",
        ),
        (
            _layer_with(restrictions=[{"start": "09:00", "end": "mon 17:00"}]),
            "/layers/0/restrictions/0/end",
        ),
    ],
)
def test_what_is_no_schedule(shared: Rota, body: Any, pointer: str) -> None:
    assert shared.refused("POST", "/oncall/schedules", body) == (
        *(400, "validation_error"),
        [pointer],
    )


def test_what_is_no_override(shared: Rota) -> None:
    ada, _ = _two(shared)
    made = shared.schedule(ada)
    good = {
        "schedule_id": made["id"],
        "user_id": ada,
        "start": "2026-04-01T12:00:00Z",
        "end": "2026-04-01T13:00:00Z",
    }
    for change, refusal in (
        ({"end": good["start"]}, (400, "validation_error", ["/end"])),
        ({"end": "2026-04-01T11:00:00Z"}, (400, "validation_error", ["/end"])),
        ({"schedule_id": "sch_none"}, (422, "unknown_schedule", ["/schedule_id"])),
        ({"user_id": "usr_none"}, (422, "unknown_user", ["/user_id"])),
    ):
        assert shared.refused("POST", "/oncall/overrides", {**good, **change}) == refusal


def test_ranges_of_previews(shared: Rota) -> None:
    ada, _ = _two(shared)
    hourly = {"type": "custom", "hand_off": "00:00", "length": "1h"}
    made = shared.schedule(layers=[layer(ada, rotation=hourly)] * 2)
    path = f"/oncall/schedules/{made['id']}/shifts"
    for query in (
        "from=2026-04-02T00:00:00Z&to=2026-04-02T00:00:00Z",
        "from=2026-04-02T00:00:00Z&to=2027-05-30T00:00:00Z",
    ):
        assert shared.refused("GET", f"{path}?{query}") == (400, "validation_error", ["/to"])
    year = "from=2026-04-02T00:00:00Z&to=2027-04-02T00:00:00Z"
    assert shared.refused("GET", f"{path}?{year}")[:2] == (422, "too_many_shifts")
    assert shared.on_call(made["id"])["until"] == "2026-04-01T13:00:00Z"


def test_lengths_of_turns(shared: Rota) -> None:
    ada, bob = _two(shared)
    for rotation, until in (
        ({"type": "daily", "hand_off": "09:00", "length": 2}, "2026-03-02T09:00:00Z"),
        ({"type": "daily", "hand_off": "09:00", "length": "2d"}, "2026-03-02T09:00:00Z"),
        ({"type": "weekly", "hand_off": "Monday 09:00", "length": "2w"}, "2026-03-09T09:00:00Z"),
        ({"type": "monthly", "hand_off": "15 09:00"}, "2026-03-15T09:00:00Z"),
        ({"type": "custom", "hand_off": "00:00", "length": 10}, "2026-03-11T00:00:00Z"),
        ({"type": "custom", "hand_off": "00:00", "length": "12h"}, "2026-03-01T12:00:00Z"),
    ):
        one = layer(ada, bob, rotation=rotation)
        made = shared.schedule(timezone="UTC", layers=[one])
        spans = shared.shifts(made["id"], "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
        assert spans[0]["until"] == until, rotation


@pytest.mark.slow
def test_a_change_leaves_the_past_as_it_was(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    made = rota.schedule(ada)
    rota.clock.step(timedelta(hours=1))
    body = {"id": made["id"], "name": "p", "timezone": "Europe/Berlin", "layers": [layer(ada)]}
    rota.post("/oncall/schedules", {**body, "version": 1}, 200)  # another name, no other shifts
    rota.post("/oncall/schedules", {**body, "version": 2, "layers": [layer(bob)]}, 200)
    spans = rota.shifts(made["id"], "2026-04-01T07:00:00Z", "2026-04-02T07:00:00Z")
    assert [(span["user"]["name"], span["from"]) for span in spans] == [
        ("Ada", "2026-04-01T07:00:00Z"),
        ("Bob", "2026-04-01T13:00:00Z"),
    ]
    assert rota.on_call(made["id"], "2026-04-01T12:30:00Z")["user"]["id"] == ada
    for version in range(3, 30):
        rota.clock.step(timedelta(seconds=1))
        layers = [layer(ada if version % 2 else bob)]
        rota.post("/oncall/schedules", {**body, "version": version, "layers": layers}, 200)
    spans = rota.shifts(made["id"], "2026-04-01T12:00:00Z", "2026-04-01T14:00:00Z")
    assert len(spans) == 21


def test_a_schedule_that_is_not_saved(shared: Rota) -> None:
    ada, _ = _two(shared)
    made = shared.schedule(ada)
    span = {"from": "2026-04-02T00:00:00Z", "to": "2026-04-05T00:00:00Z"}
    body = {"timezone": "Europe/Berlin", "layers": [layer(ada)]}
    shown = shared.post("/oncall/schedules/preview", {**body, **span}, 200)
    assert shown["data"] == shared.shifts(made["id"], span["from"], span["to"])
    usual = shared.post("/oncall/schedules/preview", {**body, "layers": []}, 200)
    assert [one["gap"] for one in usual["gaps"]] == ["no_layers"]
    for change, status, pointer in (
        ({"timezone": "Mars/Base"}, 400, "/timezone"),
        ({"layers": [layer("usr_none")]}, 422, "/layers/0/members/0"),
        ({"to": span["from"]}, 400, "/to"),
    ):
        refused = shared.refused("POST", "/oncall/schedules/preview", {**body, **span, **change})
        assert (refused[0], refused[2]) == (status, [pointer])


def test_overrides_of_the_past_count_as_those_of_the_future_do(rota: Rota) -> None:
    ada = rota.user("ada")
    made = rota.schedule(ada)
    context = rota.server.context
    tenant = context.access.default_principal.tenant_id
    set_limits(context.database, tenant, {"max_overrides": 2}, context.settings)
    rota.override(made["id"], ada, "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
    rota.override(made["id"], ada, "2026-04-01T00:00:00Z", "2026-04-01T12:30:00Z")
    body = {"schedule_id": made["id"], "user_id": ada}
    past = {**body, "start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    assert rota.refused("POST", "/oncall/overrides", past)[:2] == (409, "limit_reached")
    rota.clock.step(timedelta(hours=1))  # one has ended, as most do: it is history
    rota.post("/oncall/overrides", past)
    assert rota.refused("POST", "/oncall/overrides", past)[:2] == (409, "limit_reached")
