"""Times and durations in every form the API accepts."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.errors import ArgumentError
from novaql.options import query_options, time_window
from novaql.timeparse import DurationLike, TimeLike, duration_ms, is_relative, to_ms
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 3, 1, 12, tzinfo=UTC),
        datetime(2026, 3, 1, 12),  # noqa: DTZ001 - a time without a zone is UTC
        datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1))),
        pd.Timestamp("2026-03-01T12:00:00"),
        pd.Timestamp("2026-03-01T07:00:00", tz="America/New_York"),
        np.datetime64("2026-03-01T12:00:00", "s"),
        np.datetime64("2026-03-01T12:00:00", "ns"),
        1_772_366_400,
        1_772_366_400.0,
        np.int64(1_772_366_400),
        np.float64(1_772_366_400),
        "1772366400",
        " 1772366400.000 ",
        "1.7723664e9",
        "2026-03-01T12:00:00Z",
        "2026-03-01t12:00:00.000z",
        "2026-03-01T13:00:00+01:00",
        "2026-03-01T13:00:00+0100",
        "2026-03-01 12:00",
        "2026-03-01T11:59:59.9999Z",
    ],
    ids=repr,
)
def test_noon_in_every_form(value: TimeLike) -> None:
    assert to_ms(value) == NOON


@pytest.mark.parametrize("value", [date(2026, 3, 1), "2026-03-01"])
def test_a_day_is_its_midnight(value: TimeLike) -> None:
    assert to_ms(value) == NOON - 12 * 3_600_000


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("now", 0),
        ("now-30m", -1_800_000),
        ("now - 30m", -1_800_000),
        ("now+1h30m", 5_400_000),
        ("-1h", -3_600_000),
        ("+250ms", 250),
        ("-1w1d", -8 * 86_400_000),
        ("1h ago", -3_600_000),
        ("1h30m  ago", -5_400_000),
        ("30min ago", -1_800_000),
        ("1 hour ago", -3_600_000),
        ("2 Hours  ago", -7_200_000),
        ("15 min ago", -900_000),
        ("15 mins ago", -900_000),
        ("90 seconds ago", -90_000),
        ("10 minutes ago", -600_000),
        ("3days ago", -3 * 86_400_000),
        ("1 week ago", -7 * 86_400_000),
        ("2 months ago", -59 * 86_400_000),
        ("1 year ago", -365 * 86_400_000),
        ("now-1y", -365 * 86_400_000),
    ],
    ids=repr,
)
def test_relative_to_the_clock(text: str, shift: int) -> None:
    assert to_ms(text, now_ms=NOON) == NOON + shift


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("now/s", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.999Z"),
        ("now/m", "2026-03-01T12:00:00Z", "2026-03-01T12:00:59.999Z"),
        ("now/h", "2026-03-01T12:00:00Z", "2026-03-01T12:59:59.999Z"),
        ("now/d", "2026-03-01T00:00:00Z", "2026-03-01T23:59:59.999Z"),
        ("now-1d/d", "2026-02-28T00:00:00Z", "2026-02-28T23:59:59.999Z"),
        ("now - 1d / d", "2026-02-28T00:00:00Z", "2026-02-28T23:59:59.999Z"),
        ("-1d/d", "2026-02-28T00:00:00Z", "2026-02-28T23:59:59.999Z"),
        ("now/w", "2026-02-23T00:00:00Z", "2026-03-01T23:59:59.999Z"),  # a Sunday
        ("now+1d/w", "2026-03-02T00:00:00Z", "2026-03-08T23:59:59.999Z"),
        ("now/M", "2026-03-01T00:00:00Z", "2026-03-31T23:59:59.999Z"),
        ("now-1M/M", "2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999Z"),
        ("now-3M/M", "2025-12-01T00:00:00Z", "2025-12-31T23:59:59.999Z"),
        ("now/Q", "2026-01-01T00:00:00Z", "2026-03-31T23:59:59.999Z"),
        ("now-1Q/Q", "2025-10-01T00:00:00Z", "2025-12-31T23:59:59.999Z"),
        ("now/y", "2026-01-01T00:00:00Z", "2026-12-31T23:59:59.999Z"),
        ("now-2y/y", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59.999Z"),
        ("now-1d/d+8h", "2026-02-28T08:00:00Z", "2026-03-01T07:59:59.999Z"),
        ("now/d - 30m", "2026-02-28T23:30:00Z", "2026-03-01T23:29:59.999Z"),
        ("now-1M/M+1w/w", "2026-02-02T00:00:00Z", "2026-03-08T23:59:59.999Z"),
        ("now-1h-30m", "2026-03-01T10:30:00Z", "2026-03-01T10:30:00Z"),
        ("now-1M", "2026-02-01T12:00:00Z", "2026-02-01T12:00:00Z"),
        ("now-1Q", "2025-12-01T12:00:00Z", "2025-12-01T12:00:00Z"),
    ],
)
def test_times_of_grafana(text: str, first: str, last: str) -> None:
    assert to_ms(text, now_ms=NOON) == to_ms(first)
    assert to_ms(text, now_ms=NOON, end=True) == to_ms(last)


def test_a_year_of_the_calendar_and_a_month_without_that_day() -> None:
    last_of_2024, last_of_march = to_ms("2024-12-31"), to_ms("2026-03-31")

    assert to_ms("now-1y", now_ms=last_of_2024) == to_ms("2024-01-01")
    assert to_ms("now-1y/y", now_ms=last_of_2024) == to_ms("2023-01-01")
    assert to_ms("now-1M", now_ms=last_of_march) == to_ms("2026-02-28")
    assert to_ms("now-1w/w", now_ms=to_ms("1969-12-31")) == to_ms("1969-12-22")


def test_the_end_of_a_range_is_rounded_up() -> None:
    day = query_options(start="now/d", end="now/d", step="1h")

    assert day.end_ms - day.start_ms == 86_399_999
    first, last = time_window("now/M", "now/M")
    assert 28 * 86_400_000 <= last - first + 1 <= 31 * 86_400_000


def test_a_bare_negative_number_is_a_unix_time() -> None:
    assert to_ms("-100", now_ms=NOON) == -100_000


def test_the_edges_of_time_as_prometheus_clients_write_them() -> None:
    assert to_ms("-292273086-05-16T16:47:06Z") == MIN_TIME_MS
    assert to_ms("292277025-08-18T07:12:54.999999999Z") == MAX_TIME_MS


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "an hour ago",
        "1 hours",
        "1 hour 5 ago",
        "1 fortnight ago",
        "1 s s ago",
        "1 hour ago ago",
        "9" * 97 + "ago",
        "1" + " \t" * 48 + "ag",
        "1 " + "s" * 93 + " ago",
        "1 " + "hour " * 18 + "ago",
        "now-",
        "now 5m",
        "-1 hour",
        "now-1h-",
        "now+ /d",
        "now- +1h",
        "now" + "+1s " * 30 + "/x",
        "now" + "+1s" * 100,
        " ago".rjust(50_000),
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "2026-03-01T25:00:00Z",
        "12:00",
        "0x10",
        "1_000",
        "٣",
        True,
        None,
        [1],
        pd.NaT,
        np.datetime64("NaT"),
        np.timedelta64(1, "s"),
        timedelta(1),
        float("nan"),
        float("inf"),
        "inf",
        "nan",
        "1e400",
        10**30,
        10**401,
        pytest.param(-(10**5000), id="5000 digits"),
        "-99999y",
        "now/",
        "now/x",
        "now/1d",
        "now/d/",
        "now-1M2d",
        "now-999999M",
        "+999999Q/y",
        "now-99999y/d",
        "ago",
        "now ago",
        "-1h ago",
        "1h/d ago",
    ],
    ids=repr,
)
def test_what_is_not_a_time_is_refused_by_name(value: TimeLike) -> None:
    with pytest.raises(ArgumentError, match=r"^start: ") as caught:
        to_ms(value, argument="start")
    assert caught.value.argument == "start"


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "text", ["1" * 200_000 + "x", "1." + "1" * 200_000 + "x", " " * 200_000 + "x"]
)
def test_the_time_to_read_a_long_text_grows_with_its_length(text: str) -> None:
    with pytest.raises(ArgumentError):
        to_ms(text)
    with pytest.raises(ArgumentError):
        duration_ms(text)
    assert is_relative(text)


def test_errors_quote_the_beginning_of_a_long_value() -> None:
    for value in ("9" * 401, 10**401, "9" * 5000 + "d"):
        with pytest.raises(ArgumentError) as caught:
            duration_ms(value)
        assert len(str(caught.value)) < 200


def test_the_last_time_of_pandas() -> None:
    assert to_ms(pd.Timestamp.max) == pd.Timestamp.max.value // 1_000_000 + 1


def test_the_message_names_forms_in_place_of_words() -> None:
    for text in ("yesterday", "an hour ago"):
        with pytest.raises(ArgumentError, match=r"-1h, 1h ago and 2 hours ago.*now/d and now-1d/d"):
            to_ms(text)


def test_milliseconds_where_seconds_are_wanted_are_recognised() -> None:
    with pytest.raises(ArgumentError, match="looks like milliseconds"):
        to_ms(NOON)


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 1, 1)))  # noqa: DTZ001
def test_text_and_datetime_agree(when: datetime) -> None:
    aware = when.replace(tzinfo=UTC)
    assert to_ms(aware) == to_ms(aware.isoformat()) == to_ms(np.datetime64(when))


@given(
    st.integers(-62_135_596_800_000, 253_402_300_799_999),
    st.timezones(),
)
def test_any_zone_names_the_same_instant(ms: int, zone: object) -> None:
    inside = min(max(ms, -60_000_000_000_000), 250_000_000_000_000)
    aware = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=inside)
    assert to_ms(aware.astimezone(zone)) == inside  # type: ignore[arg-type]


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_seconds_with_three_decimals_are_exact(ms: int) -> None:
    text = f"{'-' if ms < 0 else ''}{abs(ms) // 1000}.{abs(ms) % 1000:03d}"
    assert to_ms(text) == ms
    assert to_ms(float(text)) == ms


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("1y2w3d4h5m6s7ms", 365 * 86_400_000 + 17 * 86_400_000 + 4 * 3_600_000 + 306_007),
        ("90s", 90_000),
        ("250ms", 250),
        ("15", 15_000),
        ("0.5", 500),
        (15, 15_000),
        (0.25, 250),
        (np.float32(0.5), 500),
        (timedelta(minutes=5), 300_000),
        (pd.Timedelta("5min"), 300_000),
        (np.timedelta64(5, "m"), 300_000),
        (0, 0),
        ("0", 0),
        ("0s", 0),
        (timedelta(0), 0),
        (timedelta.max, 86_400_000 * 10**9),
        (pd.Timedelta.max, pd.Timedelta.max.value // 1_000_000 + 1),
        ("5min", 300_000),
        ("1h30min", 5_400_000),
        ("1D", 86_400_000),
        ("2W", 14 * 86_400_000),
        ("1H15S", 3_615_000),
        (pd.offsets.Minute(5), 300_000),
        (pd.offsets.Milli(250), 250),
        (pd.offsets.Day(), 86_400_000),
        (pd.DateOffset(hours=1, minutes=30), 5_400_000),
        (pd.date_range("2026-01-01", periods=3, freq="15s").freq, 15_000),
        (pd.offsets.Minute(0), 0),
    ],
    ids=repr,
)
def test_durations(value: DurationLike, ms: int) -> None:
    assert duration_ms(value) == ms


@pytest.mark.parametrize(
    "value",
    [
        "",
        "m",
        "5 m",
        "5minutes",
        "30m1h",
        "1.5h",
        "-5m",
        -1,
        "-1",
        timedelta(seconds=-1),
        True,
        None,
        "0.0001",
        1e-9,
        timedelta(microseconds=1),
        float("nan"),
        float("inf"),
        np.timedelta64("NaT"),
        pd.NaT,
        "99999999999999999y",
        10**401,
        pytest.param(-(10**5000), id="5000 digits"),
        "9" * 401,
        "9" * 5000 + "d",
        "min",
        "5MIN",
        "1M",
        pd.offsets.Minute(-5),
        pd.offsets.Nano(5),
        pd.offsets.MonthEnd(),
        pd.offsets.QuarterBegin(),
        pd.offsets.YearEnd(),
        pd.offsets.BDay(),
        pd.offsets.Week(weekday=0),
        pd.DateOffset(months=1),
        pd.DateOffset(years=1),
        datetime(2026, 3, 1, tzinfo=UTC),
        [timedelta(1)],
        np.array([timedelta(1)]),
        1j,
    ],
    ids=repr,
)
def test_what_is_not_a_duration_is_refused_by_name(value: DurationLike) -> None:
    with pytest.raises(ArgumentError, match=r"^step: "):
        duration_ms(value, argument="step")


@given(st.integers(0, 2**40))
def test_duration_of_whole_milliseconds(ms: int) -> None:
    assert duration_ms(f"{ms}ms") == ms
    assert duration_ms(timedelta(milliseconds=ms)) == ms


def test_long_texts_that_are_no_durations_are_not_held() -> None:
    tracemalloc.start()
    try:
        for number in range(100):
            with pytest.raises(ArgumentError):
                duration_ms(f"{number}{'x' * 100_000}", argument="step")
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 4 << 20
    finally:
        tracemalloc.stop()
