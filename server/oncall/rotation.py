"""Rotations: the turns of members, in wall-clock time.

Turns are numbered. Turn `n` begins at one wall-clock time, independent of the offset of the zone
then, so a daily turn has 23 or 25 hours when clocks change.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from novaql.fast_dataclass import dataclass
from novaql.server.oncall.wall_clock import instant_of, wall_of

Unit = Literal["daily", "weekly", "monthly", "custom"]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"(?:([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?)", re.ASCII)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """How long a turn is, and when it begins.

    unit     what `every` counts: days, weeks, months; `custom`: `every` is a duration
    at       the time of day of a hand-off
    day      weekly: the weekday, 0 is Monday; monthly: the day of the month, in shorter months the
             last; None: the day on which the layer starts
    """

    unit: Unit
    at: time
    day: int | None = None
    every: int = 1
    length: timedelta = _DAY

    @property
    def about(self) -> timedelta:
        """The usual length of a turn, at most."""
        days = {"daily": 1, "weekly": 7, "monthly": 31}
        return self.length if self.unit == "custom" else timedelta(days[self.unit] * self.every)


class Turns:
    """The turns of a rotation that starts at an instant.

    Turn 0 contains the start. It begins with the last possible hand-off at or before the start: the
    time of day on a day, on the weekday of a week, or on the day of a month.
    """

    def __init__(self, rotation: Rotation, start: datetime, zone: ZoneInfo) -> None:
        self._rotation, self._zone = rotation, zone
        first = wall_of(start, zone).date()
        self._day_of_month = rotation.day or first.day
        if rotation.unit == "weekly" and rotation.day is not None:
            first -= timedelta(days=(first.weekday() - rotation.day) % 7)
        self._origin, self._shift = first, 0
        if self.begin(0) > start:
            self._origin = self._day_before(first)
        self._shift = self.at(start)

    def begin(self, number: int) -> datetime:
        """The instant at which a turn begins."""
        return instant_of(self._wall(number + self._shift), self._zone)

    def at(self, at: datetime) -> int:
        """The number of the turn at an instant. Skipped turns have no instant: of several turns
        that begin at once, it is the last."""
        number = self._guess(wall_of(at, self._zone)) - self._shift
        while self.begin(number) > at:
            number -= 1
        while self.begin(number + 1) <= at:
            number += 1
        return number

    def _day_before(self, day: date) -> date:
        """The day of the hand-off before that of `day`."""
        match self._rotation.unit:
            case "weekly":
                return day - 7 * _DAY
            case "monthly":
                return day.replace(day=1) - _DAY
            case "daily" | "custom":
                return day - _DAY

    def _wall(self, number: int) -> datetime:
        rotation = self._rotation
        if rotation.unit == "monthly":
            months = self._origin.year * 12 + self._origin.month - 1 + number * rotation.every
            year, month = divmod(months, 12)
            last = calendar.monthrange(year, month + 1)[1]
            day = date(year, month + 1, min(self._day_of_month, last))
            return datetime.combine(day, rotation.at)
        return datetime.combine(self._origin, rotation.at) + number * self._period()

    def _period(self) -> timedelta:
        rotation = self._rotation
        if rotation.unit == "custom":
            return rotation.length
        return rotation.every * (_DAY if rotation.unit == "daily" else 7 * _DAY)

    def _guess(self, wall: datetime) -> int:
        if self._rotation.unit == "monthly":
            months = (wall.year - self._origin.year) * 12 + wall.month - self._origin.month
            return months // self._rotation.every
        return (wall - datetime.combine(self._origin, self._rotation.at)) // self._period()


def time_of(text: str) -> time:
    """Parse `09:00` or `09:00:30`. Raises `ValueError`."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time of day like 09:00")
    return time(int(found[1]), int(found[2]), int(found[3] or 0))


def day_and_time(text: str) -> tuple[str | None, time]:
    """Parse `09:00`, `mon 09:00` or `15 09:00` into the text of the day and the time. Raises
    `ValueError`."""
    day, _, rest = text.strip().rpartition(" ")
    return day.strip().lower() or None, time_of(rest)


def weekday_of(text: str) -> int:
    """The number of a weekday: `mon` and `Monday` are 0. Raises `ValueError`."""
    names = [name.lower() for name in calendar.day_name]
    lower = text.lower()
    for number, name in enumerate(names):
        if lower in (name, name[:3]):
            return number
    raise ValueError(f"{text!r} is not a day like mon")
