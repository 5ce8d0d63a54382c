"""Times and durations as text, and names of time zones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np

from novaql.tsdb.model.labels import Ints

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Quoted texts are skipped.
_TIME_IN_TEXT = re.compile(
    r'"(?:[^"\\]|\\.)*+"?'
    r"|(?<=[=~])'(?:[^'\\]|\\.)*+'?"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z)",
    re.ASCII | re.DOTALL,
)
_ZONES_OF_MACHINE = frozenset({"Factory", "localtime", "posixrules"})
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


def time_texts(times_ms: Ints) -> list[str]:
    """RFC 3339 in UTC; without a fraction if all are whole seconds."""
    whole = bool((times_ms % 1000 == 0).all())
    stamps = times_ms.astype("datetime64[ms]")
    return [
        str(t) for t in np.datetime_as_string(stamps, unit="s" if whole else "ms", timezone="UTC")
    ]


def time_text(ms: int, zone: tzinfo | None = None) -> str:
    """RFC 3339, in a time zone or in UTC, in which the years before 1 and after 9999 always are."""
    if zone is not None:
        try:
            local = (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone)
        except OverflowError:
            return time_text(ms)
        return local.isoformat(timespec="milliseconds" if ms % 1000 else "seconds")
    return time_texts(np.array([ms], np.int64))[0]


def in_zone(text: str, zone: tzinfo | None) -> str:
    """A text in which the times of `time_text`, outside of quotes, are converted to a time zone."""
    if zone is None:
        return text

    def moved(found: re.Match[str]) -> str:
        if found["time"] is None:
            return found[0]
        try:
            at = datetime.fromisoformat(found[0])
        except ValueError:
            return found[0]
        return time_text((at - _EPOCH) // timedelta(milliseconds=1), zone)

    return _TIME_IN_TEXT.sub(moved, text)


def duration_text(ms: int) -> str:
    """`90000` is `1m30s`; 0 is `0s`."""
    out = ""
    for size, unit in _UNITS:
        count, ms = divmod(ms, size)
        if count:
            out += f"{count}{unit}"
    return out or "0s"


def is_portable_zone(name: str) -> bool:
    """Whether the name of a time zone has the same meaning on each machine: data and rules may move
    to another one. `localtime` does not, nor do copies of zones with leap seconds."""
    return name not in _ZONES_OF_MACHINE and not name.startswith(("posix/", "right/"))
