"""Time intervals such as "weekdays from 9 to 17 in Berlin". They mute or activate routes.

The fields have the meaning of Alertmanager. Each field is a list of ranges, and the time must be in
one of them. An omitted field matches every time. Negative days count from the end of the month.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from novaql.fast_dataclass import dataclass

MINUTES_OF_A_DAY = 24 * 60


class InvalidInterval(ValueError):
    """A range is empty or out of bounds. The message names it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whole numbers from first to last, both included."""

    first: int
    last: int

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """A set of times, in local time of `zone`.

    times          minutes of the day, the last one excluded: Span(540, 1019) is 9:00 to 17:00
    weekdays       0 is Sunday
    days_of_month  1 … 31, or -1 (the last day) … -31
    months         1 … 12
    years          calendar years
    """

    zone: ZoneInfo
    times: tuple[Span, ...] = ()
    weekdays: tuple[Span, ...] = ()
    days_of_month: tuple[Span, ...] = ()
    months: tuple[Span, ...] = ()
    years: tuple[Span, ...] = ()

    def contains(self, now: datetime) -> bool:
        """Whether the interval contains `now`, an aware time."""
        local = now.astimezone(self.zone)
        return (
            _holds(self.times, local.hour * 60 + local.minute)
            and _holds(self.weekdays, local.isoweekday() % 7)
            and self._day_holds(local)
            and _holds(self.months, local.month)
            and _holds(self.years, local.year)
        )

    def _day_holds(self, local: datetime) -> bool:
        if not self.days_of_month:
            return True
        days = calendar.monthrange(local.year, local.month)[1]

        def day(number: int) -> int:
            return number if number > 0 else days + 1 + number

        # A range that begins before the month (-31 in February) begins on its first day.
        return any(
            max(day(span.first), 1) <= local.day <= min(day(span.last), days)
            for span in self.days_of_month
        )


def _holds(spans: Sequence[Span], number: int) -> bool:
    return not spans or any(number in span for span in spans)


_RANGES = {
    "times": (0, MINUTES_OF_A_DAY - 1),
    "weekdays": (0, 6),
    "months": (1, 12),
    "years": (1970, 9999),
}


def checked_interval(interval: TimeInterval) -> TimeInterval:
    """Return the interval. Raises `InvalidInterval` for a range that is empty or out of bounds."""
    for name, (least, most) in _RANGES.items():
        for span in getattr(interval, name):
            if not least <= span.first <= span.last <= most:
                raise InvalidInterval(f"{name}: {span.first} to {span.last} is no range of them")
    for span in interval.days_of_month:
        inside = all(1 <= abs(day) <= 31 for day in (span.first, span.last))
        same_side = (span.first > 0) == (span.last > 0)
        if not inside or (same_side and span.first > span.last) or (span.first < 0 < span.last):
            raise InvalidInterval(f"days_of_month: {span.first} to {span.last} is no range of them")
    return interval


def is_quiet(now: datetime, mute: Sequence[TimeInterval], active: Sequence[TimeInterval]) -> bool:
    """Whether a route is muted now: inside a mute interval, or outside all active ones."""
    if any(interval.contains(now) for interval in mute):
        return True
    return bool(active) and not any(interval.contains(now) for interval in active)
