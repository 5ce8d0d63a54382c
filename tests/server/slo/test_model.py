"""The arithmetic of objectives, against figures worked out by hand and against plain fractions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.slo.budget import Counts, attainment, budget, burn_rate, exhaustion_seconds
from novaql.server.slo.burn import BURN_WINDOWS, DAY, PAIRS, Severity, pairs_of, verdicts, warnings
from novaql.server.slo.objective import InvalidObjective, Objective
from novaql.server.slo.window import CalendarWindow, InvalidWindow, RollingWindow, seconds_of

T999 = Objective.parse("0.999")
MONTH = 30 * DAY


def test_nine_hundred_of_a_million() -> None:
    counts = Counts(Fraction(900), Fraction(1_000_000))
    found = budget(T999, counts)
    assert found is not None
    rate = burn_rate(T999, counts)
    assert rate is not None
    shown = json.dumps([attainment(counts), found.consumed, found.remaining, float(rate)])
    assert shown == "[0.9991, 0.9, 0.1, 0.9]"
    assert (found.allowed, found.allowed_events) == (0.001, 1000.0)


def test_an_overspent_budget_is_negative_and_has_a_clamped_twin() -> None:
    found = budget(T999, Counts(Fraction(1500), Fraction(1_000_000)))
    assert found is not None
    assert (found.consumed, found.remaining, found.remaining_clamped) == (1.5, -0.5, 0.0)


def test_without_events_nothing_is_claimed() -> None:
    none = Counts(Fraction(0), Fraction(0))
    assert attainment(none) is None
    assert budget(T999, none) is None
    assert burn_rate(T999, none) is None
    assert exhaustion_seconds(T999, none, none, MONTH) is None


def test_exhaustion() -> None:
    whole = Counts(Fraction(500), Fraction(1_000_000))  # half of the budget is left
    burning = Counts(Fraction(2), Fraction(1000))  # twice as fast as allowed
    assert exhaustion_seconds(T999, whole, burning, MONTH) == MONTH / 4
    assert exhaustion_seconds(T999, whole, Counts(Fraction(0), Fraction(9)), MONTH) is None
    gone = Counts(Fraction(1000), Fraction(1_000_000))
    assert exhaustion_seconds(T999, gone, burning, MONTH) == 0.0


@given(
    st.integers(1, 999_999),
    st.integers(0, 10**9),
    st.integers(1, 10**9),
)
def test_parts_of_a_budget_belong_together(millionths: int, bad: int, good: int) -> None:
    objective = Objective.parse(f"0.{millionths:06d}")
    counts = Counts(Fraction(bad), Fraction(bad + good))
    found, rate = budget(objective, counts), burn_rate(objective, counts)
    assert found is not None
    assert rate is not None
    ratio = Fraction(bad, bad + good)
    assert found.consumed == float(ratio * 1_000_000 / (1_000_000 - millionths))
    assert found.consumed == float(rate)
    assert found.remaining == float(1 - rate)
    assert attainment(counts) == float(1 - ratio)


@pytest.mark.parametrize(
    "text", ["1", "0", "0.0", "99.9", "-0.9", "", "0.9e1", "1.0", "0,9", "nan"]
)
def test_what_is_no_objective(text: str) -> None:
    with pytest.raises(InvalidObjective):
        Objective.parse(text)


def test_a_percentage_is_explained() -> None:
    with pytest.raises(InvalidObjective, match=r"99\.9 % is 0\.999"):
        Objective.parse("99.9")


@pytest.mark.parametrize(
    ("days", "factors"),
    [
        (30, [14.4, 6, 3, 1]),
        (28, [13.44, 5.6, 2.8, 14 / 15]),
        (90, [43.2, 18, 9, 3]),
    ],
)
def test_factors_grow_with_the_window(days: int, factors: list[float]) -> None:
    assert pairs_of(days * DAY) == PAIRS
    assert [float(pair.factor(days * DAY)) for pair in PAIRS] == factors


def test_a_short_window_is_a_twelfth_of_its_long_one() -> None:
    assert all(pair.long == 12 * pair.short for pair in PAIRS)
    assert {w for pair in PAIRS for w in (pair.long, pair.short)} == set(BURN_WINDOWS.values())


@pytest.mark.parametrize(
    ("seconds", "windows", "factors"),
    [
        (7 * DAY, [(14, 2), (84, 7), (336, 28), (1008, 84)], [14.4, 6, 3, 1]),
        (DAY, [(12, 2), (48, 4), (144, 12)], [6, 3, 1]),
        (14 * DAY, [(28, 2), (168, 14), (672, 56), (2016, 168)], [14.4, 6, 3, 1]),
        (3600, [], []),
    ],
)
def test_short_windows_of_objectives_have_shorter_windows_of_alerts(
    seconds: int, windows: list[tuple[int, int]], factors: list[float]
) -> None:
    """With those of 30 days a day's objective would page at half of the pace that it allows."""
    pairs = pairs_of(seconds)
    assert [(pair.long // 60, pair.short // 60) for pair in pairs] == windows
    assert [float(pair.factor(seconds)) for pair in pairs] == factors


@given(st.integers(3600 // 60, 366 * DAY // 60))
def test_no_alert_fires_at_the_pace_that_is_allowed(minutes: int) -> None:
    seconds = minutes * 60
    for pair in pairs_of(seconds):
        assert pair.factor(seconds) >= Fraction(9, 10)
        assert 60 < pair.short < pair.long < seconds


def test_a_window_too_short_for_alerts_is_told() -> None:
    assert warnings(T999, 3600) == ["page_window_too_short", "ticket_window_too_short"]
    assert warnings(T999, DAY) == []


def test_thresholds_out_of_reach_are_told() -> None:
    assert warnings(Objective.parse("0.9"), MONTH) == ["page_threshold_unreachable"]
    assert warnings(Objective.parse("0.94"), MONTH) == []
    assert warnings(T999, MONTH) == []


def _everywhere(bad: int, total: int) -> dict[int, Counts]:
    return {w: Counts(Fraction(bad), Fraction(total)) for w in BURN_WINDOWS.values()}


def test_a_page_ends_with_the_short_window() -> None:
    counts = _everywhere(2, 100)  # twenty times as fast as allowed
    assert [v.firing for v in verdicts(T999, MONTH, counts)] == [True, True]
    for short in (300, 1800):
        counts[short] = Counts(Fraction(0), Fraction(100))
    found = {v.severity: v.firing for v in verdicts(T999, MONTH, counts)}
    assert found == {Severity.PAGE: False, Severity.TICKET: True}


def test_little_traffic_wakes_nobody_and_says_why() -> None:
    found = verdicts(T999, MONTH, _everywhere(1, 3), min_events=100)
    assert not any(v.firing for v in found)
    assert all("only 3 events" in v.reason for v in found)


def test_no_traffic_wakes_nobody() -> None:
    assert not any(v.firing for v in verdicts(T999, MONTH, _everywhere(0, 0)))


def test_a_threshold_itself_is_not_passed() -> None:
    counts = _everywhere(144, 10_000)  # a burn rate of exactly 14.4
    counts.update({w: Counts(Fraction(0), Fraction(1)) for w in (1800, 6 * 3600, 7200)})
    assert verdicts(T999, MONTH, counts)[0].firing is False


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", MONTH), ("4w", 28 * DAY), ("1w2d", 9 * DAY), ("90m", 5400)]
)
def test_rolling_windows(text: str, seconds: int) -> None:
    window = RollingWindow.parse(text)
    assert window.seconds == seconds
    assert seconds_of(window.bounds(datetime(2026, 4, 1, tzinfo=UTC))) == seconds


@pytest.mark.parametrize("text", ["45x", "", "30", "d", "1d1w", "-1d", "1m", "400d", "1.5d"])
def test_what_is_no_rolling_window(text: str) -> None:
    with pytest.raises(InvalidWindow):
        RollingWindow.parse(text)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_days_in_berlin(day: str, hours: int) -> None:
    window = CalendarWindow.parse("day", "Europe/Berlin")
    noon = datetime.fromisoformat(day + "T12:00:00+00:00")
    begin, end = window.bounds(noon)
    assert seconds_of((begin, end)) == hours * 3600
    assert begin.date().isoformat() == day
    assert begin.hour == end.hour == 0


@given(
    st.sampled_from(["day", "week", "month", "quarter", "year"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_calendar_windows_tile_time(period: str, zone: str, now: datetime) -> None:
    window = CalendarWindow.parse(period, zone)
    begin, end = window.bounds(now)
    assert begin.timestamp() <= now.timestamp() < end.timestamp()
    assert window.bounds(end)[0] == end
    assert window.bounds(begin)[0] == begin


@pytest.mark.parametrize(
    ("period", "zone"), [("fortnight", "UTC"), ("day", "Mars/Olympus"), ("day", "")]
)
def test_what_is_no_calendar_window(period: str, zone: str) -> None:
    with pytest.raises(InvalidWindow):
        CalendarWindow.parse(period, zone)


def test_counts_of_queries() -> None:
    assert Counts.of(float("nan"), 1.0) is None
    assert Counts.of(1.0, float("inf")) is None
    assert Counts.of(-1e-9, 5.0) == Counts(Fraction(0), Fraction(5))
    assert Counts.of(5.5, 5.0) == Counts(Fraction(5), Fraction(5))
