"""Silences, inhibition and quiet times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from novaql.server.alert_model.identity import matchers_of_alert, silence_id
from novaql.server.errors import InvalidRequest
from novaql.server.notifications.inhibition import Inhibitor, InhibitRule
from novaql.server.notifications.time_intervals import (
    InvalidInterval,
    Span,
    TimeInterval,
    checked_interval,
    is_quiet,
)
from novaql.server.silences.model import (
    Revision,
    Silence,
    checked_duration,
    checked_matchers,
    checked_reason,
)
from novaql.server.silences.muting import Muting
from novaql.tsdb.model.matchers import Matcher, MatchOp

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LABELS = {"alertname": "Down", "job": "api"}


def _silence(ends_at: datetime | None = NOON + HOUR) -> Silence:
    matchers = matchers_of_alert(LABELS)
    revision = Revision(1, NOON, ends_at, "upgrade", "usr_1", NOON)
    return Silence(silence_id("t", matchers), matchers, (revision,))


def test_a_silence_begins_and_ends() -> None:
    silence = _silence()
    assert not silence.mutes(LABELS, NOON - timedelta(seconds=1))
    assert silence.mutes(LABELS, NOON)
    assert not silence.mutes(LABELS, NOON + HOUR)
    assert not silence.mutes({**LABELS, "job": "web"}, NOON)
    assert Muting([silence], Inhibitor([], {}), NOON).silences_of(LABELS) == [silence.id]


def test_saying_it_again_keeps_id_and_history() -> None:
    again = _silence().revised(NOON + HOUR, NOON + 2 * HOUR, "longer", "usr_2", NOON)
    assert again.id == _silence().id
    assert [r.number for r in again.revisions] == [1, 2]
    assert again.mutes(LABELS, NOON + 1.5 * HOUR)


def test_a_lifted_silence_can_come_back() -> None:
    lifted = _silence().lifted(NOON + HOUR / 2)
    assert lifted.mutes(LABELS, NOON)
    assert not lifted.mutes(LABELS, NOON + HOUR / 2)
    back = lifted.revised(NOON + HOUR / 2, NOON + HOUR, "not yet", "usr_1", NOON + HOUR / 2)
    assert back.mutes(LABELS, NOON + HOUR * 0.75)


def test_a_silence_until_resolved_has_no_end() -> None:
    assert _silence(ends_at=None).mutes(LABELS, NOON + 400 * 24 * HOUR)


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_reason_is_needed(reason: str) -> None:
    with pytest.raises(InvalidRequest):
        checked_reason(reason)


@pytest.mark.parametrize("duration", [timedelta(0), -HOUR, timedelta(days=367)])
def test_durations_out_of_range(duration: timedelta) -> None:
    with pytest.raises(InvalidRequest):
        checked_duration(duration)


def test_a_silence_of_everything_is_refused() -> None:
    everything = [Matcher("a", MatchOp.REGEX, ".*"), Matcher("b", MatchOp.NOT_EQUAL, "x")]
    with pytest.raises(InvalidRequest):
        checked_matchers(everything)
    named = Matcher("c", MatchOp.EQUAL, "d")
    assert checked_matchers([named, *everything, named])[-1] == named


def _equal(name: str, value: str) -> Matcher:
    return Matcher(name, MatchOp.EQUAL, value)


def test_inhibition_compares_the_labels_asked_for() -> None:
    rule = InhibitRule((_equal("severity", "page"),), (_equal("severity", "ticket"),), ("dc",))
    firing = {"a1": {"severity": "page", "dc": "eu"}, "a2": {"severity": "ticket", "dc": "eu"}}
    inhibitor = Inhibitor([rule], firing)
    assert inhibitor.inhibiting(firing["a2"]) == ("a1",)
    assert inhibitor.inhibiting({"severity": "ticket", "dc": "us"}) == ()
    assert inhibitor.inhibiting(firing["a1"]) == ()


def test_a_missing_label_is_an_empty_one() -> None:
    rule = InhibitRule((_equal("severity", "page"),), (_equal("severity", "ticket"),), ("dc",))
    inhibitor = Inhibitor([rule], {"a1": {"severity": "page"}})
    assert inhibitor.inhibiting({"severity": "ticket", "dc": ""}) == ("a1",)


def test_what_is_source_and_target_does_not_inhibit_itself() -> None:
    rule = InhibitRule((_equal("team", "db"),), (_equal("team", "db"),))
    inhibitor = Inhibitor([rule], {"a1": {"team": "db"}})
    assert inhibitor.inhibiting({"team": "db"}) == ()


def test_what_is_source_and_target_inhibits_what_is_only_a_target() -> None:
    """As in Alertmanager: a node that is down has a severity, too."""
    rule = InhibitRule(
        (_equal("alertname", "NodeDown"),), (_equal("severity", "critical"),), ("node",)
    )
    down = {"alertname": "NodeDown", "severity": "critical", "node": "a"}
    inhibitor = Inhibitor([rule], {"a1": down, "a2": {**down, "zone": "b"}})
    disk = {"alertname": "DiskFull", "severity": "critical", "node": "a"}

    assert inhibitor.inhibiting(disk) == ("a1", "a2")
    assert inhibitor.inhibiting({**disk, "node": "b"}) == ()
    assert inhibitor.inhibiting(down) == ()


BERLIN = ZoneInfo("Europe/Berlin")


def test_office_hours() -> None:
    office = TimeInterval(BERLIN, times=(Span(9 * 60, 17 * 60 - 1),), weekdays=(Span(1, 5),))
    assert office.contains(datetime(2026, 4, 1, 7, 0, tzinfo=UTC))  # 9:00 in summer
    assert not office.contains(datetime(2026, 4, 1, 6, 59, tzinfo=UTC))
    assert not office.contains(datetime(2026, 4, 1, 15, 0, tzinfo=UTC))  # 17:00
    assert not office.contains(datetime(2026, 1, 7, 7, 0, tzinfo=UTC))  # 8:00 in winter
    assert not office.contains(datetime(2026, 4, 4, 10, 0, tzinfo=UTC))  # a Saturday


@pytest.mark.parametrize(
    ("day", "inside"), [("2026-02-28", True), ("2026-02-25", False), ("2026-04-30", True)]
)
def test_days_from_the_end_of_the_month(day: str, *, inside: bool) -> None:
    interval = TimeInterval(ZoneInfo("UTC"), days_of_month=(Span(-3, -1),))
    assert interval.contains(datetime.fromisoformat(day + "T12:00:00+00:00")) is inside


def test_a_range_longer_than_the_month_begins_with_it() -> None:
    interval = TimeInterval(ZoneInfo("UTC"), days_of_month=(Span(-31, -28),))
    assert interval.contains(datetime(2026, 2, 1, tzinfo=UTC))
    assert not interval.contains(datetime(2026, 2, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    "interval",
    [
        TimeInterval(BERLIN, times=(Span(0, 1440),)),
        TimeInterval(BERLIN, weekdays=(Span(5, 1),)),
        TimeInterval(BERLIN, months=(Span(0, 3),)),
        TimeInterval(BERLIN, days_of_month=(Span(0, 3),)),
        TimeInterval(BERLIN, days_of_month=(Span(-1, 3),)),
        TimeInterval(BERLIN, days_of_month=(Span(-1, -3),)),
    ],
)
def test_ranges_that_no_clock_shows(interval: TimeInterval) -> None:
    with pytest.raises(InvalidInterval):
        checked_interval(interval)


def test_quiet_times() -> None:
    april = TimeInterval(BERLIN, months=(Span(4, 4),))
    may = TimeInterval(BERLIN, months=(Span(5, 5),))
    assert is_quiet(NOON, [april], [])
    assert not is_quiet(NOON, [may], [])
    assert is_quiet(NOON, [], [may])
    assert not is_quiet(NOON, [], [may, april])
    assert is_quiet(NOON, [april], [april])
    assert not is_quiet(NOON, [], [])
