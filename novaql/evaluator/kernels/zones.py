"""Time zones: the offset of local time from UTC at many Unix seconds, and when local days begin.

A table of the changes of each zone is computed once, from its rules from 1830 to 2450. Later times
are moved back by whole cycles of 400 years, after which weekdays, and with them the rules, repeat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from novaql.evaluator.kernels.dates import DAY, DAYS_OF_400_YEARS, PARTS, Whole, civil, is_leap
from novaql.fast_dataclass import dataclass
from novaql.text.times import is_portable_zone

FIRST = -4_417_977_600
"""1830-01-01, before any zone has a change."""
END = 15_147_388_800
"""2450-01-01."""
CYCLE = DAYS_OF_400_YEARS * DAY
PROBE = 7 * DAY
"""Offsets are compared at this distance: changes that are reverted sooner are not detected."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnknownZone(ValueError):
    """The IANA time zone database has no zone of this name."""


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """starts: [n] Unix seconds from which on `offsets` [n], in seconds, hold."""

    starts: Whole
    offsets: Whole

    def offset(self, seconds: Whole) -> Whole:
        """Seconds that local time is ahead of UTC."""
        late = seconds >= END
        if late.any():
            seconds = np.where(late, END - CYCLE + (seconds - END) % CYCLE, seconds)
        found: Whole = self.offsets[np.searchsorted(self.starts, seconds, "right") - 1]
        return found

    def first_instant(self, local: Whole) -> Whole:
        """The first instant at which clocks show a local time (seconds as of UTC), or would, if
        they had not been set forward over it. Local times are before `END`."""
        before, after = self.offset(local - DAY), self.offset(local + DAY)
        early, late = local - before, local - after
        change = self.starts[
            np.minimum(np.searchsorted(self.starts, local - DAY, "right"), len(self.starts) - 1)
        ]
        found = np.where(self.offset(late) == after, late, change)
        return np.where(self.offset(early) == before, early, found)


@lru_cache(maxsize=256)
def zone_of(name: str) -> Zone:
    """The zone of an IANA name such as `Europe/Berlin`. Raises `UnknownZone`, also for names whose
    meaning depends on the machine, such as `localtime`."""
    if name == "UTC":
        return Zone(np.array([np.iinfo(np.int64).min]), np.zeros(1, np.int64))
    if not (_NAME.fullmatch(name) and is_portable_zone(name)):
        raise UnknownZone(name)
    try:
        info = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZone(name) from None

    def offset(at: int) -> int:
        found = (_EPOCH + timedelta(seconds=at)).astimezone(info).utcoffset()
        assert found is not None
        return int(found.total_seconds())

    starts, offsets = [int(np.iinfo(np.int64).min)], [offset(FIRST)]
    for at in range(FIRST + PROBE, END, PROBE):
        new = offset(at)
        if new != offsets[-1]:
            starts.append(_change(offset, at - PROBE, at))
            offsets.append(new)
    return Zone(np.array(starts, np.int64), np.array(offsets, np.int64))


def _change(offset: Callable[[int], int], low: int, high: int) -> int:
    """The first second with another offset than `low`, up to `high`."""
    old = offset(low)
    while high - low > 1:
        middle = (low + high) // 2
        if offset(middle) == old:
            low = middle
        else:
            high = middle
    return high


def _begin_of_month(local: Whole) -> Whole:
    return local // DAY - civil(local // DAY).day + 1


def _begin_of_year(local: Whole) -> Whole:
    return local // DAY - PARTS["day_of_year"](local) + 1


def _begin_of_quarter(local: Whole) -> Whole:
    date = civil(local // DAY)
    quarter = (date.month - 1) // 3
    before = np.array([0, 90, 181, 273])[quarter] + ((quarter > 0) & is_leap(date.year))
    days: Whole = _begin_of_year(local) + before
    return days


_FIRST_DAY: Mapping[str, Callable[[Whole], Whole]] = {
    "day": lambda local: local // DAY,
    "week": lambda local: local // DAY - (local // DAY + 3) % 7,  # 1970-01-01 was a Thursday
    "month": _begin_of_month,
    "quarter": _begin_of_quarter,
    "year": _begin_of_year,
}
_SECONDS = {"minute": 60, "hour": 3600}
UNITS = (*_SECONDS, *_FIRST_DAY)


def start_of(unit: str, seconds: Whole, zone: Zone) -> Whole:
    """When the minute, hour, day, week (from Monday), month, quarter or year began, in Unix
    seconds, in which local clocks are at each of these Unix seconds."""
    cycles = np.maximum(seconds - END + CYCLE, 0) // CYCLE * CYCLE
    seconds = seconds - cycles
    local = seconds + zone.offset(seconds)
    if unit in _SECONDS:
        begun = seconds - local % _SECONDS[unit]
        change = zone.starts[np.searchsorted(zone.starts, seconds, "right") - 1]
        found: Whole = np.maximum(begun, change) + cycles
    else:
        found = zone.first_instant(_FIRST_DAY[unit](local) * DAY) + cycles
    return found
