"""Converts times and durations, as people write them, to whole milliseconds.

The Python API, the shell and HTTP accept the same forms, because all of them use this module.

| a time | means |
| --- | --- |
| `datetime`, `pandas.Timestamp`, `numpy.datetime64` | that instant; without a time zone: UTC |
| `date`, `"2026-03-01"` | midnight UTC |
| `1767225600`, `1767225600.25`, `"1767225600.25"` | Unix seconds |
| `"2026-03-01T12:00:00.5+01:00"`, `"2026-03-01 12:00"` | RFC 3339; without an offset: UTC |
| `"now"`, `"now-30m"`, `"-1h"`, `"+1h30m"`, `"1h ago"`, `"2 hours ago"` | relative to now |
| `"now/d"`, `"now-1w/w"`, `"now-1M/M"` | that day, week or month: its first millisecond |
| `"now-1d/d+8h"` | these, from left to right: eight in the morning of yesterday |

What `/` and a unit round to (`s`, `m`, `h`, `d`, `w`, `M`, `Q` or `y`), is in UTC; weeks begin on
Monday. As in Grafana, an end is the last millisecond. `M` and `Q` are months and quarters of the
calendar, and so are the years of a `y` before a `/`; any other `y` is 365 days.

A duration is a `timedelta`, a number of seconds, or text such as `5m`, `1h30m`, `1d`, `250ms`,
`2.5`; or a fixed offset of pandas: `pandas.offsets.Minute(5)`, `frame.index.freq`, `5min`, `1D`.
"""

from __future__ import annotations

import math
import re
import time
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from novaql.errors import ArgumentError
from novaql.text.excerpts import excerpt
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS


class Offset(Protocol):
    """A value that can be added to a time, such as an offset of pandas."""

    def __radd__(self, time: Any, /) -> Any: ...


TimeLike = datetime | date | str | int | float | np.datetime64 | np.integer | np.floating
DurationLike = timedelta | str | int | float | np.timedelta64 | np.integer | np.floating | Offset

TIME_FORMS = (
    "RFC 3339, Unix seconds, now, a distance from now such as -1h, 1h ago and 2 hours ago, or the "
    "beginning of a day such as now/d and now-1d/d"
)
DURATION_FORMS = "a number with a unit such as 5m or 1h30m, or seconds"

# The values that Prometheus's clients send for "from the beginning" and "to the end".
_EDGES = {
    "-292273086-05-16T16:47:06Z": MIN_TIME_MS,
    "292277025-08-18T07:12:54.999999999Z": MAX_TIME_MS,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999
_EARLIEST_MS = -62_135_596_800_000  # the first one of the year 1

_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?\s*([Zz]|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_CHANGE = re.compile(r"\s*(?:([+-])\s*([^/+\s-]+(?:\s+[^/+\s-]+)*)|/\s*([smhdwMQy]))")
_LONGEST = 100
"""Characters of a relative time, and of a duration."""
_MOST_SHOWN = 60
_MOST_BITS = 2000
"""Python writes no integers of more than 4300 digits."""
_AGO = re.compile(r"([^/]*\S)\s+ago")
_COUNTED = re.compile(r"(\d{1,9})\s*([a-z]+)", re.ASCII | re.IGNORECASE)
_WORDS = {
    "second": "s",
    "sec": "s",
    "minute": "m",
    "min": "m",
    "hour": "h",
    "hr": "h",
    "day": "d",
    "week": "w",
    "month": "M",
    "quarter": "Q",
    "year": "y",
}
"""Units in words before `ago`; also in the plural."""
_CALENDAR = re.compile(r"(\d{1,6})([MQy])", re.ASCII)
_MONTHS = {"M": 1, "Q": 3, "y": 12}
_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_ROUNDED_MS = {"s": _SECOND, "m": _MINUTE, "h": _HOUR, "d": _DAY, "w": 7 * _DAY}
_MONDAY_MS = 4 * _DAY  # the first one of 1970
# Each unit as Prometheus writes it, or pandas.
_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)[wW])?(?:(\d+)[dD])?(?:(\d+)[hH])?(?:(\d+)m(?:in)?)?(?:(\d+)[sS])?"
    r"(?:(\d+)ms)?",
    re.ASCII,
)
_DAYS = (datetime(2024, 1, 31), datetime(2024, 2, 3), datetime(2022, 12, 31))  # noqa: DTZ001
"""Days of different weekdays, months and years: an offset with one length from all of them has no
other length."""
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_UNITS_MS = (365 * _DAY, 7 * _DAY, _DAY, _HOUR, _MINUTE, _SECOND, 1)
_ROUND_STEPS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 30, 90, 180, 365)),
)


def to_ms(
    value: TimeLike, *, argument: str = "time", now_ms: int | None = None, end: bool = False
) -> int:
    """Return milliseconds since 1970 of a time: a datetime, a date, Unix seconds, or text such as
    `2026-03-01T12:00:00Z`, `-1h`, `1h ago` and `now/d`. Without a time zone: UTC.

    argument  how the error names the value
    now_ms    the clock for relative times; the system's if not given
    end       the time is the end of a range: `now/d` is the last millisecond of the day

    Fractions of a millisecond are rounded, halves up. Raises `ArgumentError`.
    """
    given: object = value  # the type checker believes callers; this function does not
    match given:
        case bool() | np.timedelta64():  # NumPy counts a timedelta64 among the integers
            raise _not_a_time(argument, given)
        case str():
            return _text_to_ms(given.strip(), argument, now_ms, end=end)
        case np.datetime64():
            if np.isnat(given):
                raise _not_a_time(argument, given)
            # Through microseconds, so that the fraction is rounded and not cut.
            micros = int(given.astype("datetime64[us]").astype(np.int64))
            return _in_calendar((micros + 500) // 1000, argument, given)
        case datetime():
            if given != given:  # pandas.NaT is a datetime that equals nothing
                raise _not_a_time(argument, given)
            aware = given if given.tzinfo is not None else given.replace(tzinfo=UTC)
            return _datetime_to_ms(aware)
        case date():
            return _datetime_to_ms(datetime(given.year, given.month, given.day, tzinfo=UTC))
        case int() | float() | np.integer() | np.floating():
            return _in_calendar(_seconds_to_ms(given, argument), argument, given)
        case _:
            raise _not_a_time(argument, given)


def duration_ms(value: DurationLike, *, argument: str = "duration") -> int:
    """Return whole milliseconds of a duration: a timedelta, a fixed offset of pandas, seconds, or
    text such as `5m` and `1h30m`. Never negative; 0 only if 0 was given.

    Raises `ArgumentError`.
    """
    match value:
        case bool():
            raise _not_a_duration(argument, value)
        case str():
            text = value.strip()
            ms = _seconds_to_ms(float(text), argument) if _NUMBER.fullmatch(text) else None
            if ms is None:
                ms = _duration_text_ms(text)
            if ms is None:
                raise _not_a_duration(argument, value)
            given_nothing = ms == 0 and not re.search("[1-9]", re.split("[eE]", text)[0])
        case np.timedelta64():
            if np.isnat(value):
                raise _not_a_duration(argument, value)
            micros = int(value.astype("timedelta64[us]").astype(np.int64))
            ms, given_nothing = (micros + 500) // 1000, micros == 0
        case timedelta():
            if value != value:  # pandas.NaT
                raise _not_a_duration(argument, value)
            ms, given_nothing = _timedelta_ms(value), not value
        case int() | float() | np.integer() | np.floating():
            ms, given_nothing = _seconds_to_ms(value, argument), bool(value == 0)
        case _:
            length = _length_of(value)
            if length is None:
                raise _not_a_duration(argument, value)
            ms, given_nothing = _timedelta_ms(length), not length
    if ms < 0:
        raise ArgumentError(argument, f"{_shown(value)} is negative")
    if ms == 0 and not given_nothing:
        raise ArgumentError(argument, f"{_shown(value)} is less than a millisecond")
    if ms > MAX_TIME_MS:
        raise ArgumentError(argument, f"{_shown(value)} is too long")
    return ms


def round_step_ms(least_ms: float) -> int:
    """The shortest round step (10s, 5m, 1h, …) that is not shorter than this."""
    for step in _ROUND_STEPS:
        if step >= least_ms:
            return step
    return math.ceil(least_ms / _DAY / 365) * 365 * _DAY


def is_relative(value: object) -> bool:
    """Whether a valid time is relative to now, such as `-1h`, `1h ago` and `now/d`."""
    if not isinstance(value, str):
        return False
    text = value.strip()
    return not (text in _EDGES or _NUMBER.fullmatch(text) or _RFC_3339.fullmatch(text))


def _text_to_ms(text: str, argument: str, now_ms: int | None, *, end: bool) -> int:
    if text in _EDGES:
        return _EDGES[text]
    if _NUMBER.fullmatch(text):
        return _in_calendar(_seconds_to_ms(float(text), argument), argument, text)
    if found := _RFC_3339.fullmatch(text):
        return _rfc_3339_to_ms(found, argument)
    changes = _changes_of(text)
    if not text or changes is None:
        raise _not_a_time(argument, text)
    now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    last_rounding = max((n for n, change in enumerate(changes) if change[3]), default=-1)
    for number, change in enumerate(changes):
        sign, distance, unit = change.groups()
        if unit is not None:
            now = _rounded_time(now, unit, argument, text, end=end)
            continue
        forward = 1 if sign == "+" else -1
        months = _CALENDAR.fullmatch(distance)
        if months and (months[2] != "y" or number < last_rounding):
            now = _months_later(now, forward * int(months[1]) * _MONTHS[months[2]], argument, text)
        else:
            length = _duration_text_ms(distance)
            if length is None:
                raise _not_a_time(argument, text)
            now += forward * length
        now = _in_calendar(now, argument, text)
    return _in_calendar(now, argument, text)


def _changes_of(text: str) -> list[re.Match[str]] | None:
    """The distances and units of a relative time, in their order; None if it has another form."""
    if len(text) > _LONGEST:
        return None
    if ago := _AGO.fullmatch(text):
        text = f"-{_with_letter(ago[1])}"
    changes = []
    at = len("now") if text.startswith("now") else 0
    while at < len(text):
        change = _CHANGE.match(text, at)
        if change is None:
            return None
        changes.append(change)
        at = change.end()
    return changes


def _with_letter(distance: str) -> str:
    """`2 hours` as `2h`; other distances as they are."""
    counted = _COUNTED.fullmatch(distance)
    unit = _WORDS.get(counted[2].lower().removesuffix("s")) if counted else None
    return distance if counted is None or unit is None else counted[1] + unit


def _rounded_time(ms: int, unit: str, argument: str, text: str, *, end: bool) -> int:
    """The first or the last millisecond of the minute, hour, …, year of a time."""
    if unit in _ROUNDED_MS:
        size, shift = _ROUNDED_MS[unit], _MONDAY_MS if unit == "w" else 0
        first = (ms - shift) // size * size + shift
        return _in_calendar(first + size - 1 if end else first, argument, text)
    day = _EPOCH + timedelta(milliseconds=ms)
    months = _MONTHS[unit]
    month = (day.month - 1) // months * months + 1
    first = _datetime_to_ms(datetime(day.year, month, 1, tzinfo=UTC))
    return _months_later(first, months, argument, text) - 1 if end else first


def _months_later(ms: int, months: int, argument: str, text: str) -> int:
    """A time some months later; the last day of a month that is too short."""
    when = _EPOCH + timedelta(milliseconds=_in_calendar(ms, argument, text))
    year, month = divmod(when.year * 12 + when.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise _outside(argument, text)
    day = min(when.day, monthrange(year, month + 1)[1])
    return _datetime_to_ms(when.replace(year=year, month=month + 1, day=day))


def _rfc_3339_to_ms(found: re.Match[str], argument: str) -> int:
    day, minutes, seconds, fraction, offset = found.groups()
    zone = "+00:00" if offset is None or offset in "Zz" else offset
    try:
        whole = datetime.fromisoformat(f"{day}T{minutes or '00:00'}:{seconds or '00'}{zone}")
    except ValueError as problem:
        raise ArgumentError(argument, f"{found[0]!r} is not a time: {problem}") from None
    return _datetime_to_ms(whole) + _rounded(float(f"0.{fraction or 0}") * 1000)


def _datetime_to_ms(instant: datetime) -> int:
    return _timedelta_ms(instant - _EPOCH)


def _timedelta_ms(length: timedelta) -> int:
    # Integers: total_seconds() is a float, and half a millisecond more may exceed a timedelta.
    return (length.days * 86_400 + length.seconds) * 1000 + (length.microseconds + 500) // 1000


def _seconds_to_ms(seconds: float | np.integer | np.floating, argument: str) -> int:
    if isinstance(seconds, int | np.integer):
        return int(seconds) * 1000
    number = float(seconds)
    if not math.isfinite(number):
        raise ArgumentError(argument, f"{_shown(seconds)} is not finite")
    # The fraction is rounded separately, as in Prometheus, so that whole seconds remain exact.
    fraction, whole = math.modf(number)
    return int(whole) * 1000 + _rounded(fraction * 1000)


def _rounded(ms: float) -> int:
    return math.floor(ms + 0.5)


def _duration_text_ms(text: str) -> int | None:
    """`1h30m` in milliseconds, or None if the text is not of that form."""
    return _short_text_ms(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=256)
def _short_text_ms(text: str) -> int | None:
    if text == "0":
        return 0
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return None
    return sum(
        int(number) * unit
        for number, unit in zip(found.groups(), _UNITS_MS, strict=True)
        if number is not None
    )


def _length_of(offset: object) -> timedelta | None:
    """How far an offset moves every time; None if that depends on the time."""
    try:
        lengths = {(day + offset) - day for day in _DAYS}  # type: ignore[operator]
    except (TypeError, ValueError, OverflowError):
        return None
    length = lengths.pop()
    return length if not lengths and isinstance(length, timedelta) else None


def _in_calendar(ms: int, argument: str, value: object) -> int:
    if _EARLIEST_MS <= ms <= _LATEST_MS:
        return ms
    if isinstance(value, int | float | np.integer | np.floating) or _NUMBER.fullmatch(str(value)):
        hint = "; numbers are Unix seconds, this one looks like milliseconds"
    else:
        hint = ""
    raise _outside(argument, value, hint)


def _outside(argument: str, value: object, hint: str = "") -> ArgumentError:
    return ArgumentError(argument, f"{_shown(value)} is outside the years 1 to 9999{hint}")


def _not_a_time(argument: str, value: object) -> ArgumentError:
    return ArgumentError(argument, f"{_shown(value)} is not a time: {TIME_FORMS}")


def _not_a_duration(argument: str, value: object) -> ArgumentError:
    return ArgumentError(argument, f"{_shown(value)} is not a duration: {DURATION_FORMS}")


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"a number of {value.bit_length()} bits"
    return excerpt(repr(value) if isinstance(value, str) else str(value), _MOST_SHOWN)
