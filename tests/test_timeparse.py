"""Times and durations in every form the API accepts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.errors import ArgumentError
from novaql.timeparse import DurationLike, TimeLike, duration_ms, to_ms
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
    ],
    ids=repr,
)
def test_relative_to_the_clock(text: str, shift: int) -> None:
    assert to_ms(text, now_ms=NOON) == NOON + shift


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
        "now-",
        "now 5m",
        "-1 hour",
        "now-1h-1h",
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
        "-99999y",
    ],
    ids=repr,
)
def test_what_is_not_a_time_is_refused_by_name(value: TimeLike) -> None:
    with pytest.raises(ArgumentError, match=r"^start: ") as caught:
        to_ms(value, argument="start")
    assert caught.value.argument == "start"


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
