"""Wall-clock times of a zone, and the instants at which clocks show them.

A clock that is set forward skips times: a skipped time is the first instant after the change. A
clock that is set back shows times twice: such a time is its first occurrence. So the instants of
increasing wall-clock times never decrease.

Aware times of one zone are subtracted as wall-clock times in Python. This module therefore returns
instants in UTC only.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from novaql.text import is_portable_zone

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_SECOND = timedelta(seconds=1)


class UnknownZone(ValueError):
    """The IANA time zone database has no zone of this name."""


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """Return the zone of an IANA name, such as `Europe/Berlin`. Raises `UnknownZone`."""
    if _NAME.fullmatch(name) and is_portable_zone(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise UnknownZone(f"there is no time zone {name!r}; names are like Europe/Berlin")


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which clocks in the zone show a time (without a zone)."""
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if wall_of(at, zone) == wall:
        return at
    return _first_after_gap(wall, zone)


def wall_of(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the wall-clock time (without zone) in the zone at an instant."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def transitions(zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Return the instants after `start` and up to `end` at which the offset of the zone changes.

    It finds changes that last for at least a day.
    """
    found = []
    before = start
    while before < end:
        after = min(before + timedelta(days=1), end)
        if _offset(before, zone) != _offset(after, zone):
            found.append(_change(before, after, zone))
        before = after
    return found


def _first_after_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which the clock skips a time. By the offset before the change the time
    lies after the change, by the offset after it before the change."""
    late = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change(early, late, zone)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second after `before` with the offset that the zone has at `after`."""
    offset = _offset(after, zone)
    low, high = before, after
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        if _offset(middle, zone) == offset:
            high = middle
        else:
            low = middle
    return high


def _offset(at: datetime, zone: ZoneInfo) -> timedelta | None:
    return at.astimezone(zone).utcoffset()
