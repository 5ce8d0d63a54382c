"""The current time. The server reads it from a clock that tests can replace."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """A source of the current time. Safe to use from several threads."""

    def now(self) -> datetime:
        """Now in UTC, to the millisecond: the precision of the database and the API."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return from_ms(time.time_ns() // 1_000_000)


class SteppedClock:
    """A clock that changes only by `step`."""

    def __init__(self, at: datetime) -> None:
        self._lock = threading.Lock()
        self._at = at

    def now(self) -> datetime:
        with self._lock:
            return self._at

    def step(self, by: timedelta) -> datetime:
        """Advance the clock; return the new time."""
        with self._lock:
            self._at += by
            return self._at


class FileClock:
    """A clock that reads a file which another process writes, for tests of a whole server.

    The file contains an offset in seconds from the machine's clock, such as `+90.5` or `-3600`, or
    a fixed RFC 3339 time. If the file is missing or empty, the machine's clock applies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._system = SystemClock()

    def now(self) -> datetime:
        try:
            text = self._path.read_text("ascii").strip()
        except FileNotFoundError:
            text = ""
        if not text:
            return self._system.now()
        if text[0] in "+-":
            return self._system.now() + timedelta(milliseconds=round(float(text) * 1000))
        return parse_time(text)


def from_ms(ms: int) -> datetime:
    """Return the time in UTC of milliseconds since 1970. Raises `ValueError` outside of the years
    1 to 9999."""
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        raise ValueError("the time is outside of the years 1 to 9999") from None


def to_ms(at: datetime) -> int:
    """Convert a time with a zone to milliseconds since 1970, rounded down."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone is no instant")
    return (at - _EPOCH) // timedelta(milliseconds=1)


def rfc3339(at: datetime) -> str:
    """Format a time as `2026-04-01T12:00:00Z`, with milliseconds if they are not 0."""
    utc = at.astimezone(UTC)
    precision = "milliseconds" if utc.microsecond else "seconds"
    return utc.isoformat(timespec=precision).replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time with a zone; the result is in UTC. Raises `ValueError`."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    at = datetime.fromisoformat(text.upper())
    return from_ms(to_ms(at))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
