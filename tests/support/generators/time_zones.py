"""Time zones, for tests of hand-offs and calendars."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

ZONES = sorted(
    name
    for name in available_timezones()
    if name not in ("Factory", "localtime", "posixrules")
    and not name.startswith(("posix/", "right/"))
)


def clocks() -> list[str]:
    """A zone for each clock of the years 2025 to 2028. The other zones are other names of these, or
    differ from them at other times alone."""
    start = datetime(2025, 10, 1, tzinfo=UTC)
    zones: dict[tuple[tuple[int, timedelta | None], ...], str] = {}
    for zone in ZONES:
        place = ZoneInfo(zone)

        def offset(second: int, place: ZoneInfo = place) -> timedelta | None:
            return (start + timedelta(seconds=second)).astimezone(place).utcoffset()

        changes = [(0, offset(0))]
        for day in range(1, 1_000):
            last, end = changes[-1][1], day * 86_400
            if offset(end) != last:
                since = end - 86_400
                second = bisect_left(range(since, end), True, key=lambda n: offset(n) != last)
                changes.append((since + second, offset(end)))
        zones.setdefault(tuple(changes), zone)
    return list(zones.values())
