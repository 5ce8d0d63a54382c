"""The iCalendar feed: its format, as another library reads it, and its secret."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock, parse_time
from novaql.server.crypto.token_secrets import digest_of
from novaql.server.oncall.ical import Calendar, Shift, escaped, folded
from novaql.server.oncall.model import Layer, Schedule, Span, Term
from novaql.server.oncall.rotation import Rotation
from tests.server.oncall.conftest import NOW, Rota, layer
from tests.server.oncall.test_model import at
from tests.support.generators.time_zones import ZONES, clocks
from tests.support.servers.http_server import local_server


def feed(rota: Rota, url: str) -> httpx.Response:
    """Fetch a URL without a token."""
    return rota.server.client.get(url.removeprefix("http://localhost"))


def url_of(rota: Rota, schedule: str) -> str:
    made = rota.post(f"/oncall/schedules/{schedule}/ical-secret", None, 200)
    url: str = made["url"]
    assert made["secret"] in url
    return url[url.index("/v1/") :]


def events_of(text: str) -> dict[str, Any]:
    calendar = icalendar.Calendar.from_ical(text)
    return {str(event["UID"]): event for event in calendar.walk("VEVENT")}


def test_the_feed_is_what_the_preview_says(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    made = rota.schedule(ada, bob)
    rota.override(
        *(made["id"], ada, "2026-04-02T10:00:00Z", "2026-04-02T12:00:00Z"),
        reason="dentist, then\nlunch; back \\o/",
    )
    answer = feed(rota, url_of(rota, made["id"]))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    found = [
        (event["DTSTART"].dt.astimezone(UTC), event["DTEND"].dt.astimezone(UTC))
        for event in events_of(answer.text).values()
    ]
    shown = rota.shifts(made["id"], "2026-03-02T12:00:00Z", "2026-09-28T12:00:00Z")
    spans = [(parse_time(one["from"]), parse_time(one["until"])) for one in shown]
    assert found[1:-1] == spans[1:-1]
    # The first and the last shift are whole, though the feed begins and ends within them.
    assert found[0] == (at("2026-03-02T08:00"), at("2026-03-03T08:00"))
    assert found[-1] == (at("2026-09-28T07:00"), at("2026-09-29T07:00"))
    (swapped,) = [one for one in events_of(answer.text).values() if "DESCRIPTION" in one]
    assert str(swapped["DESCRIPTION"]) == "dentist, then\nlunch; back \\o/"
    assert str(swapped["SUMMARY"]) == "Ada on call: payments"


def test_the_format(rota: Rota) -> None:
    ada = rota.user("ada")
    name = "Zahlungsverkehr, Rückläufer; und alles andere, was in der Nacht nicht warten kann " * 2
    made = rota.schedule(ada, name=name.strip())
    raw = feed(rota, url_of(rota, made["id"])).content
    assert raw.startswith(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
    assert raw.endswith(b"END:VCALENDAR\r\n")
    assert b"\r\nMETHOD:PUBLISH\r\n" in raw
    assert b"\n" not in raw.replace(b"\r\n", b"")
    for line in raw.split(b"\r\n"):
        assert len(line) <= 75
        line.decode()  # no character is torn
    assert raw.count(b"BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\n") == 1
    assert b"\r\nDTSTART;TZID=Europe/Berlin:20260302T090000\r\n" in raw
    calendar = icalendar.Calendar.from_ical(raw)
    summary = calendar.walk("VEVENT")[0]["SUMMARY"]
    assert str(summary) == f"Ada on call: {name.strip()}"


def test_ids_remain_after_an_unrelated_edit(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    made = rota.schedule(ada, bob)
    url = url_of(rota, made["id"])
    first = feed(rota, url)
    assert feed(rota, url).content == first.content

    rota.clock.step(timedelta(hours=30))
    body = {"id": made["id"], "timezone": "Europe/Berlin", "version": 2}
    night = [{"start": "22:00", "end": "23:00", "days": ["sun"]}]
    layers = [layer(ada, bob), layer(bob, start="2026-06-01T00:00:00Z", restrictions=night)]
    rota.post("/oncall/schedules", {**body, "name": "other", "layers": layers}, 200)
    rota.override(made["id"], bob, "2026-05-01T10:00:00Z", "2026-05-01T12:00:00Z")
    before, after = events_of(first.text), events_of(feed(rota, url).text)

    june = at("2026-05-31T00:00")
    kept = {key for key, one in before.items() if one["DTSTART"].dt < june} - set(list(before)[:2])
    assert kept <= set(after)
    assert len(set(after)) == len(after)


@pytest.mark.slow
def test_a_large_feed_is_shortened_on_both_sides_and_says_so(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    hourly = {"type": "custom", "hand_off": "00:00", "length": "1h"}
    layers = [layer(ada, bob, start="2026-02-01T00:00:00Z", rotation=hourly) for _ in range(20)]
    made = rota.schedule(layers=layers)
    text = feed(rota, url_of(rota, made["id"])).text
    times = sorted(one["DTSTART"].dt for one in events_of(text).values())
    calendar = icalendar.Calendar.from_ical(text)

    # 210 days of 20 layers are 100 800 turns: halved four times, 6300.
    assert times[0] == NOW - timedelta(days=30) / 16
    assert NOW + timedelta(days=180) / 16 - times[-1] <= timedelta(hours=1)
    notice = str(calendar["DESCRIPTION"])
    assert notice.startswith("Shortened: the schedule has too many shifts. Only those from 2026-03")
    assert str(calendar["X-WR-CALDESC"]) == notice
    small = feed(rota, url_of(rota, rota.schedule(ada)["id"])).text
    assert "Shortened" not in small


@pytest.mark.slow
def test_a_feed_spends_quotas_of_its_own() -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, rate_per_minute=0, rate_per_day=30) as server:
        rota = Rota(server, clock)
        ada = rota.user("ada")
        made, other = rota.schedule(ada), rota.schedule(ada, name="other")
        url, second = url_of(rota, made["id"]), url_of(rota, other["id"])
        answers = [feed(rota, url) for _ in range(31)]
        assert [one.status_code for one in answers] == [200] * 30 + [429]
        assert answers[-1].json()["error"]["code"] == "rate_limited"
        assert feed(rota, second).status_code == 200
        rota.get("/oncall/schedules")  # the tenant's own quota is another
        assert feed(rota, url_of(rota, made["id"])).status_code == 200  # and so is a new secret's
        clock.step(timedelta(days=1, minutes=10))
        assert feed(rota, second).status_code == 200


def test_only_the_shifts_of_a_user(rota: Rota) -> None:
    ada, bob = rota.user("ada"), rota.user("bob")
    made = rota.schedule(ada, bob)
    url = url_of(rota, made["id"])
    mine = events_of(feed(rota, f"{url}&user={ada}").text)
    assert {str(one["SUMMARY"]) for one in mine.values()} == {"Ada on call: payments"}
    assert set(mine) < set(events_of(feed(rota, url).text))


def test_a_token_reads_the_calendar_without_a_secret(rota: Rota) -> None:
    made = rota.schedule(rota.user("ada"), rota.user("bob"))
    path, url = f"/oncall/schedules/{made['id']}/ical", url_of(rota, made["id"])
    bearer = rota.server.bearer(Role.READ_ONLY)
    answer = rota.server.client.get(f"/v1{path}", headers=bearer)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.text == feed(rota, url).text

    unknown = rota.ask("GET", "/oncall/schedules/sch_none/ical")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "schedule_not_found")
    assert feed(rota, f"/v1{path}").headers["www-authenticate"] == "Bearer"


def test_the_secret_is_shown_once_and_can_be_revoked(rota: Rota) -> None:
    made = rota.schedule(rota.user("ada"))
    path = f"/oncall/schedules/{made['id']}"
    assert rota.ask("DELETE", f"{path}/ical-secret").status_code == 404
    assert made["ical_created_at"] is None
    old = url_of(rota, made["id"])
    new = url_of(rota, made["id"])
    secret = new.partition("secret=")[2]
    assert secret not in rota.ask("GET", path).text
    assert rota.get(path)["ical_created_at"] == "2026-04-01T12:00:00Z"
    assert secret not in rota.ask("GET", "/audit").text

    assert feed(rota, new).status_code == 200
    other = rota.schedule(rota.user("bob"))
    for wrong in (
        old,
        new.replace(made["id"], other["id"]),
        new.replace(made["id"], "sch_none"),
        f"{path}/ical?secret=x",
    ):
        answer = feed(rota, wrong if wrong.startswith("/v1") else f"/v1{wrong}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "invalid_feed")
    assert feed(rota, f"/v1{path}/ical").status_code == 401

    assert rota.ask("DELETE", f"{path}/ical-secret").status_code == 204
    assert rota.ask("DELETE", f"{path}/ical-secret").status_code == 404
    assert feed(rota, new).status_code == 403
    last = url_of(rota, made["id"])
    assert rota.ask("DELETE", path).status_code == 204
    assert feed(rota, last).status_code == 403


def test_the_url_stops_with_its_creator(rota: Rota) -> None:
    made = rota.schedule(rota.user("ada"))
    invited = rota.post("/users", {"email": "eve@team.example", "role": "operator"})
    joining = {"token": invited["invitation_token"]}
    joined = rota.server.client.post("/v1/invitations/accept", json=joining).json()
    bearer = {"Authorization": f"Bearer {joined['token']}"}
    path = f"/v1/oncall/schedules/{made['id']}/ical-secret"
    url = rota.server.client.post(path, headers=bearer).json()["url"]
    url = url[url.index("/v1/") :]
    assert feed(rota, url).status_code == 200
    assert rota.server.client.post(path, headers=rota.server.bearer(Role.READ_ONLY)).is_error
    rota.ask("DELETE", f"/users/{invited['id']}")
    assert feed(rota, url).status_code == 403


def test_a_schedule_without_shifts_is_an_empty_calendar(rota: Rota) -> None:
    made = rota.schedule(layers=[])
    assert events_of(feed(rota, url_of(rota, made["id"])).text) == {}


UNWRITTEN = {*map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029"}
"""Control characters, and line ends that some readers know."""


@given(st.text(max_size=300))
def test_a_text_is_read_back(text: str) -> None:
    shown = text.encode("utf-8", "replace").decode()
    content = "".join(folded(f"SUMMARY:{escaped(shown)}"))
    assert all(len(line.encode()) <= 75 for line in content.split("\r\n"))
    event = icalendar.Event.from_ical(f"BEGIN:VEVENT\r\n{content}END:VEVENT\r\n")
    value = str(event["SUMMARY"])
    plain = re.sub(r"\r\n|\r", "\n", shown)
    assert value == "".join(
        one for one in plain if one in "\n\t" or (one >= " " and one not in UNWRITTEN)
    )


def feed_of_zone(zone: str, start: datetime, hand_off: time) -> tuple[str, list[Span]]:
    """A feed of daily shifts for a bit more than a year, and the spans of the shifts."""
    layer_ = Layer(start, Rotation("daily", hand_off), ("ada", "bob"))
    spans = Schedule((Term(ZoneInfo(zone), (layer_,)),)).final(start, start + timedelta(days=370))
    shifts = [Shift(one.user_id or "", one.user_id or "", one.start, one.end) for one in spans]
    return Calendar("sch_1", "s", zone, start, shifts).text(), spans


def check_feed(zone: str, text: str, spans: list[Span]) -> None:
    """Another library finds the instants of shifts by the feed's own VTIMEZONE."""
    calendar = icalendar.Calendar.from_ical(text)
    (rules,) = calendar.walk("VTIMEZONE")
    assert isinstance(rules, icalendar.Timezone)
    assert not rules.errors
    own = _observances(rules)
    events: Any = calendar.walk("VEVENT")
    assert len(events) == len(spans)
    for event, span in zip(events, spans, strict=True):
        wall = event["DTSTART"].dt.replace(tzinfo=None)
        # A time that is shown twice is its first occurrence in RFC 5545, as here.
        assert _instant(wall, own) == span.start.replace(microsecond=0), (zone, span)


def _observances(rules: Any) -> list[tuple[datetime, timedelta, timedelta]]:
    """Beginnings of the observances in UTC, and offsets before and from then on."""
    return sorted(
        (
            one["DTSTART"].dt.replace(tzinfo=UTC) - one["TZOFFSETFROM"].td,
            one["TZOFFSETFROM"].td,
            one["TZOFFSETTO"].td,
        )
        for one in rules.subcomponents
    )


def _instant(wall: datetime, rules: list[tuple[datetime, timedelta, timedelta]]) -> datetime:
    """The first instant at which clocks that follow the rules show a time."""
    naive = wall.replace(tzinfo=UTC)
    for number, (since, _, offset) in enumerate(rules):
        until = rules[number + 1][0] if number + 1 < len(rules) else None
        instant = naive - offset
        if since <= instant and (until is None or instant < until):
            return instant
    raise AssertionError(f"no clock shows {wall}")


@pytest.mark.slow
@given(st.sampled_from(ZONES), st.times(max_value=time(23, 59, 59)))
def test_the_time_zone_of_the_feed_is_the_zone(zone: str, hand_off: time) -> None:
    text, spans = feed_of_zone(zone, at("2026-10-01T00:00"), hand_off.replace(microsecond=0))
    check_feed(zone, text, spans)


@pytest.mark.slow
def test_the_time_zone_of_the_feed_is_the_zone_for_all_zones() -> None:
    for zone in clocks():
        text, spans = feed_of_zone(zone, at("2026-10-01T00:00"), time(2, 30))
        check_feed(zone, text, spans)


@pytest.mark.slow
def test_every_name_of_a_zone_is_read_back() -> None:
    start = at("2026-10-01T00:00")
    shift = Shift("usr_1", "Ada", start, start + timedelta(hours=1))
    for zone in ZONES:
        calendar = icalendar.Calendar.from_ical(Calendar("sch_1", "s", zone, start, [shift]).text())
        (rules,) = calendar.walk("VTIMEZONE")
        (event,) = calendar.walk("VEVENT")
        assert calendar["X-WR-TIMEZONE"] == rules["TZID"] == event["DTSTART"].params["TZID"] == zone


def test_the_audit_log_shows_that_the_secret_changed(rota: Rota) -> None:
    made = rota.schedule(layers=[])
    url = url_of(rota, made["id"])
    digest = digest_of(url.partition("secret=")[2])
    (entry,) = rota.get("/audit?action=schedule.rotate_ical_secret")["data"]
    assert digest not in str(entry)
    assert entry["before"]["ical_secret"] != entry["after"]["ical_secret"]


def test_an_event_in_the_hour_that_clocks_show_twice() -> None:
    """A local time there means the first occurrence: the second one is written in UTC."""
    start = datetime(2027, 10, 31, 0, 45, tzinfo=UTC)
    shift = Shift("usr_1", "Ada", start, start + timedelta(minutes=30))
    text = Calendar("sch_1", "payments", "Europe/Berlin", start, [shift]).text()
    times: list[Any] = []
    for event in icalendar.Calendar.from_ical(text).walk("VEVENT"):
        times += [event.decoded("DTSTART"), event.decoded("DTEND")]

    assert [one.astimezone(UTC) for one in times] == [shift.start, shift.end]
