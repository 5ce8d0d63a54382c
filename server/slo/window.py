"""Windows of objectives: rolling, such as the last 30 days, or a calendar period in a time zone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from novaql.fast_dataclass import dataclass
from novaql.text import is_portable_zone

_ROLLING = re.compile(r"(?:(\d{1,4})w)?(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,4})m)?", re.ASCII)
_SECONDS = (7 * 86400, 86400, 3600, 60)
LONGEST_SECONDS = 366 * 86400
SHORTEST_SECONDS = 3600


class InvalidWindow(ValueError):
    """The text is no window. The message shows the expected form."""


class Period(StrEnum):
    """The period of a calendar window."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}
_USUAL_DAYS = {
    Period.DAY: 1,
    Period.WEEK: 7,
    Period.MONTH: 30,
    Period.QUARTER: 91,
    Period.YEAR: 365,
}


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """A window that ends now. Its text is "30d", "4w" or "36h", for example."""

    text: str
    seconds: int

    @classmethod
    def parse(cls, text: str) -> RollingWindow:
        """Parse units w, d, h and m, each at most once, longest first. Raises `InvalidWindow`."""
        found = _ROLLING.fullmatch(text)
        if not text or found is None:
            raise InvalidWindow(f"{text!r} is no window: write a duration such as 30d or 12h")
        seconds = sum(
            int(n) * unit for n, unit in zip(found.groups(), _SECONDS, strict=True) if n is not None
        )
        if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            raise InvalidWindow(f"a window of {text} is out of range: 1h to 366d")
        return cls(text, seconds)

    @property
    def usual_seconds(self) -> int:
        """The length of the window."""
        return self.seconds

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """Start and end of the window at `now`."""
        return now - timedelta(seconds=self.seconds), now


@dataclass(frozen=True, slots=True)
class CalendarWindow:
    """A day, week (from Monday), month, quarter or year in a time zone."""

    period: Period
    zone: ZoneInfo

    @classmethod
    def parse(cls, period: str, zone: str) -> CalendarWindow:
        """Parse a period and a time zone. Raises `InvalidWindow` for an unknown one."""
        try:
            kind = Period(period)
        except ValueError:
            raise InvalidWindow(f"{period!r} is no calendar period: {', '.join(Period)}") from None
        try:
            place = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidWindow(f"{zone!r} is no time zone, as Europe/Berlin is") from None
        return cls(kind, place)

    @property
    def usual_seconds(self) -> int:
        """The usual length of its period. Alerts use it, so they do not change with the month."""
        return _USUAL_DAYS[self.period] * 86400

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """Start and end of the period that contains `now`, an aware time.

        Both are local midnights: a day has 23 or 25 hours when daylight saving time changes.
        """
        local = now.astimezone(self.zone)
        begin = self._begin(local)
        return begin, self._next(begin)

    def _begin(self, local: datetime) -> datetime:
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if months := _MONTHS.get(self.period):
            return midnight.replace(day=1, month=(local.month - 1) // months * months + 1)
        return midnight - timedelta(days=local.weekday() if self.period is Period.WEEK else 0)

    def _next(self, begin: datetime) -> datetime:
        months = _MONTHS.get(self.period)
        if months is None:  # wall-clock arithmetic in the same zone
            return begin + timedelta(days=_USUAL_DAYS[self.period])
        years, month = divmod(begin.month - 1 + months, 12)
        return begin.replace(year=begin.year + years, month=month + 1)


Window = RollingWindow | CalendarWindow


def check_zone(name: str) -> None:
    """Raise `InvalidWindow` for a zone that is not the same on each machine."""
    if not is_portable_zone(name):
        raise InvalidWindow(f"{name!r} is no time zone, as Europe/Berlin is")


def seconds_of(bounds: tuple[datetime, datetime]) -> int:
    """Length of a window in elapsed seconds, including daylight saving changes."""
    return int(bounds[1].timestamp() - bounds[0].timestamp())
