"""Shifts as an iCalendar feed (RFC 5545).

Events have the time zone of the schedule, with a VTIMEZONE that defines it: some programs show
times in UTC as they are. The id of an event is a function of schedule, user and beginning, so it
is the same in each answer, and remains the same after changes elsewhere in the schedule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from novaql.fast_dataclass import dataclass
from novaql.server.clock import to_ms
from novaql.server.oncall.wall_clock import transitions, wall_of

_LONGEST_COMMENT = 200
_UNWRITTEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, and line ends that some readers accept beside CR and LF."""
_WIDTH = 75


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of the feed. `comment`: the reason of an override."""

    user_id: str
    user_name: str
    start: datetime
    end: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """A schedule as a calendar.

    changed_at  when it last changed: the time stamp of all events
    notice      a text for readers of the calendar; may be empty
    """

    schedule_id: str
    name: str
    timezone: str
    changed_at: datetime
    shifts: Sequence[Shift]
    notice: str = ""

    def text(self) -> str:
        """The feed: lines of at most 75 octets that end with CRLF."""
        return "".join(folded(line) for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield "BEGIN:VCALENDAR"
        yield "VERSION:2.0"
        yield "PRODID:-//NovaQL//On-call//EN"
        yield "CALSCALE:GREGORIAN"
        yield "METHOD:PUBLISH"
        yield f"NAME:{escaped(self.name)}"
        yield f"X-WR-CALNAME:{escaped(self.name)}"
        yield f"X-WR-TIMEZONE:{self.timezone}"
        if self.notice:
            yield f"DESCRIPTION:{escaped(self.notice)}"
            yield f"X-WR-CALDESC:{escaped(self.notice)}"
        yield "REFRESH-INTERVAL;VALUE=DURATION:PT1H"
        yield "X-PUBLISHED-TTL:PT1H"
        zone = ZoneInfo(self.timezone)
        if self.shifts:
            first = min(shift.start for shift in self.shifts)
            last = max(shift.end for shift in self.shifts)
            yield from timezone_lines(self.timezone, first, last)
        for shift in self.shifts:
            yield from self._event(shift, zone)
        yield "END:VCALENDAR"

    def _event(self, shift: Shift, zone: ZoneInfo) -> Iterator[str]:
        yield "BEGIN:VEVENT"
        yield f"UID:{uid(self.schedule_id, shift)}"
        yield f"DTSTAMP:{_utc(self.changed_at)}"
        yield f"DTSTART{_time(shift.start, self.timezone, zone)}"
        yield f"DTEND{_time(shift.end, self.timezone, zone)}"
        yield f"SUMMARY:{escaped(f'{shift.user_name} on call: {self.name}')}"
        if shift.comment:
            yield f"DESCRIPTION:{escaped(shift.comment[:_LONGEST_COMMENT])}"
        yield "TRANSP:TRANSPARENT"
        yield "END:VEVENT"


def uid(schedule_id: str, shift: Shift) -> str:
    """The id of a shift's event."""
    parts = f"{schedule_id}\0{shift.user_id}\0{to_ms(shift.start)}"
    return hashlib.sha256(parts.encode()).hexdigest() + "@novaql"


def escaped(text: str) -> str:
    """A text as the value of a property. Control characters have no form in iCalendar."""
    for character, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,")):
        text = text.replace(character, written)
    text = text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")
    return "".join(one for one in text if one == "\t" or not _UNWRITTEN.match(one))


def folded(line: str) -> str:
    """A line, folded at 75 octets between characters."""
    if len(line) <= _WIDTH and line.isascii():
        return f"{line}\r\n"
    parts, part, width = [], "", 0
    for character in line:
        size = len(character.encode("utf-8", "replace"))
        if width + size > _WIDTH:
            parts.append(part)
            part, width = " ", 1
        part, width = part + character, width + size
    return "".join(f"{one}\r\n" for one in [*parts, part])


def timezone_lines(name: str, start: datetime, end: datetime) -> Iterable[str]:
    """The VTIMEZONE of a zone: one observance for each offset between two instants."""
    zone = ZoneInfo(name)
    yield "BEGIN:VTIMEZONE"
    yield f"TZID:{name}"
    since = start - timedelta(days=1)
    yield from _observance(since, since, zone)
    for change in transitions(zone, since, end + timedelta(days=1)):
        yield from _observance(change, change - timedelta(seconds=1), zone)
    yield "END:VTIMEZONE"


def _observance(at: datetime, before: datetime, zone: ZoneInfo) -> Iterator[str]:
    """The rules from `at` on. It begins at a local time by the offset before it."""
    here = at.astimezone(zone)
    earlier = before.astimezone(zone).utcoffset() or timedelta(0)
    kind = "DAYLIGHT" if here.dst() else "STANDARD"
    yield f"BEGIN:{kind}"
    yield f"DTSTART:{(at.replace(tzinfo=None) + earlier):%Y%m%dT%H%M%S}"
    yield f"TZOFFSETFROM:{_offset(earlier)}"
    yield f"TZOFFSETTO:{_offset(here.utcoffset() or timedelta(0))}"
    yield f"TZNAME:{escaped(here.tzname() or 'UTC')}"
    yield f"END:{kind}"


def _offset(offset: timedelta) -> str:
    seconds = round(offset.total_seconds())
    sign, seconds = "-" if seconds < 0 else "+", abs(seconds)
    text = f"{sign}{seconds // 3600:02}{seconds // 60 % 60:02}"
    return text + (f"{seconds % 60:02}" if seconds % 60 else "")


def _time(at: datetime, name: str, zone: ZoneInfo) -> str:
    """A local time; in UTC if clocks show it for the second time, because a local time in iCalendar
    means the first."""
    if at.astimezone(zone).fold:
        return f":{_utc(at)}"
    return f";TZID={name}:{wall_of(at, zone):%Y%m%dT%H%M%S}"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
