"""When a message that was not heard is sent again, and when that is given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

SCHEDULE = tuple(
    timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""How long after each failed attempt the next one comes. After the last one it is given up."""

JITTER = 0.1
"""A wait is up to this share longer, so that receivers that failed together are not called so."""

LONGEST_RETRY_AFTER = timedelta(days=1)


class Verdict(StrEnum):
    """What an answer means.

    DISABLED: the receiver says that it is gone, and wants no more messages at all.
    """

    DELIVERED = "delivered"
    FAILED = "failed"
    DISABLED = "disabled"


def verdict(status: int | None) -> Verdict:
    """Only 2xx is heard. A redirect is a failure: it is never followed."""
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
    """When to try again after `attempts` failed ones; None: never.

    share        of the jitter, 0 … 1, random
    retry_after  the receiver's header: it can put the next attempt off, by a day at most
    """
    if attempts > len(schedule):
        return None
    wait = schedule[attempts - 1] * (1 + JITTER * share)
    requested = read_retry_after(retry_after, now)
    return now + (wait if requested is None else max(wait, min(requested, LONGEST_RETRY_AFTER)))


def read_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """The header as seconds or as an HTTP date; None for what is neither, or over already."""
    if text is None:
        return None
    word = text.strip()
    if word.isascii() and word.isdigit():
        return timedelta(seconds=min(int(word[:9]), int(LONGEST_RETRY_AFTER.total_seconds())))
    try:
        at = parsedate_to_datetime(word)
    except ValueError:
        return None
    if at.tzinfo is None or at <= now:
        return None
    return at - now
