"""Restrictions: the parts of a day or of a week in which a layer is on call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from novaql.fast_dataclass import dataclass
from novaql.server.oncall.wall_clock import instant_of, wall_of

Window = tuple[datetime, datetime]
"""From an instant until another, which it does not include."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Restriction:
    """A part of a week, which begins on some weekdays.

    days  weekdays on which it begins; 0 is Monday
    at    the time of day at which it begins
    end   the time of day at which it ends
    over  days from its beginning to its end: 0, or 1 for one that ends on the next day
    """

    days: frozenset[int]
    at: time
    end: time
    over: int


def windows(
    restrictions: Sequence[Restriction], start: datetime, end: datetime, zone: ZoneInfo
) -> list[Window]:
    """Return when any of the restrictions applies between two instants, in order, without overlap.
    Without restrictions, that is always."""
    if not restrictions:
        return [(start, end)]
    found = (window for one in restrictions for window in _windows(one, start, end, zone))
    return joined((max(a, start), min(b, end)) for a, b in found)


def joined(some: Iterable[Window]) -> list[Window]:
    """Return the union of windows, in order. Empty windows have no part in it."""
    union: list[Window] = []
    for start, end in sorted(some):
        if start >= end:
            continue
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, end))
    return union


def _windows(one: Restriction, start: datetime, end: datetime, zone: ZoneInfo) -> Iterable[Window]:
    day = wall_of(start, zone).date() - (one.over + 1) * _DAY
    last = wall_of(end, zone).date()
    while day <= last:
        if day.weekday() in one.days:
            begins = instant_of(datetime.combine(day, one.at), zone)
            ends = instant_of(datetime.combine(day + one.over * _DAY, one.end), zone)
            yield begins, ends
        day += _DAY
