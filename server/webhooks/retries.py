"""The retry schedule of messages, and the classification of responses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

SCHEDULE = tuple(
    timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""The wait after each failed attempt. After the last attempt the message is given up."""

JITTER = 0.1
"""The most that jitter adds to a wait, as a share: it spreads retries that failed together."""

LONGEST_RETRY_AFTER = timedelta(days=1)


class Verdict(StrEnum):
    """The outcome of an attempt.

    DISABLED: the receiver responded 410 and rejects all further messages.
    """

    DELIVERED = "delivered"
    FAILED = "failed"
    DISABLED = "disabled"


def verdict(status: int | None) -> Verdict:
    """Classify a response. Only 2xx is delivered. A redirect is a failure and is not followed."""
    if status is not None and 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.DISABLED if status == 410 else Verdict.FAILED


def next_attempt(
    attempts: int,
    now: datetime,
    share: float,
    retry_after: str | None = None,
    schedule: Sequence[timedelta] = SCHEDULE,
) -> datetime | None:
    """The time of the next attempt after `attempts` failed ones, or None to stop.

    share        random share of the jitter, 0 … 1
    retry_after  header of the receiver; it can delay the next attempt by at most a day
    """
    if attempts > len(schedule):
        return None
    wait = schedule[attempts - 1] * (1 + JITTER * share)
    requested = read_retry_after(retry_after, now)
    return now + (wait if requested is None else max(wait, min(requested, LONGEST_RETRY_AFTER)))


def read_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Parse the header as seconds or an HTTP date. None if it is invalid or in the past."""
    if text is None:
        return None
    word = text.strip()
    if word.isascii() and word.isdigit():
        return timedelta(seconds=min(int(word[:9]), int(LONGEST_RETRY_AFTER.total_seconds())))
    try:
        at = parsedate_to_datetime(word)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None or at <= now:
        return None
    return at - now
