"""Rules of synthetic checks. Pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from novaql.fast_dataclass import dataclass
from novaql.server.clock import from_ms, to_ms
from novaql.server.probes.result import Outcome

HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000
FARTHEST = 2


class Status(StrEnum):
    """How far a run is, or how it ended. Only `success` and `failure` count into the uptime."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    BLOCKED = "blocked"
    RUNNER_LOST = "runner_lost"
    CANCELLED = "cancelled"


def status_of(outcome: Outcome) -> Status:
    """Return the status of a reported run. `unavailable` counts as a lost runner."""
    if outcome.status == "unavailable":
        return Status.RUNNER_LOST
    return Status(outcome.status)


class Trigger(StrEnum):
    """Why a run began."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"


class State(StrEnum):
    """The state of a check, from its regions."""

    UNKNOWN = "unknown"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


def first_time(
    check_id: str, region: str, now: datetime, interval_ms: int, most_ms: int
) -> datetime:
    """Return the first time of a check in a region: within the interval, and within `most_ms`.

    It depends on the ids, so that checks that were created together are not run together.
    """
    digest = hashlib.sha256(f"{check_id}/{region}".encode()).digest()
    return now + timedelta(
        milliseconds=int.from_bytes(digest[:6]) % max(1, min(interval_ms, most_ms))
    )


def next_time(
    anchor: datetime, interval_ms: int, now: datetime, jitter: float, chance: float
) -> datetime:
    """Return the time of the next run after `now`. Times that have passed are left out.

    jitter  the largest delay, as a share of the interval
    chance  a random number from 0 to 1
    """
    since = to_ms(now) - to_ms(anchor)
    number = since // interval_ms + 1
    delay = int(interval_ms * min(max(jitter, 0.0), 0.9) * chance)
    return from_ms(to_ms(anchor) + number * interval_ms + delay)


def is_due(next_at: datetime, interval_ms: int, now: datetime) -> bool:
    """Return whether the time of the next run has come.

    No next time is `FARTHEST` intervals ahead: one that is dates from before a clock was set back.
    """
    return not timedelta() < next_at - now < timedelta(milliseconds=FARTHEST * interval_ms)


@dataclass(frozen=True, slots=True)
class Streak:
    """Completed runs of a region: failures and successes in a row, and their verdict."""

    failures: int
    successes: int
    failing: bool

    def after(self, *, success: bool, failure_threshold: int, success_threshold: int) -> Streak:
        """Return the streak after one more completed run."""
        if success:
            successes = self.successes + 1
            return Streak(0, successes, self.failing and successes < success_threshold)
        failures = self.failures + 1
        return Streak(failures, 0, self.failing or failures >= failure_threshold)


def state_of(failing: Iterable[bool], completed: int, min_failing_regions: int) -> State:
    """Return the state of a check: `down` if enough regions fail, `degraded` if fewer do."""
    count = sum(failing)
    if count >= min_failing_regions:
        return State.DOWN
    if count:
        return State.DEGRADED
    return State.UP if completed else State.UNKNOWN


def uptime(successful: int, completed: int) -> float | None:
    """Return the share of successful runs; None without completed runs."""
    return float(Fraction(successful, completed)) if completed else None


def hour_of(at: datetime) -> datetime:
    """Return the beginning of the hour of a time."""
    return from_ms(to_ms(at) // HOUR_MS * HOUR_MS)


def whole_hours(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return the whole hours inside of a window; empty (equal times) if there is none."""
    first = hour_of(start)
    if first < start:
        first += HOUR
    last = hour_of(end)
    return (first, last) if first < last else (start, start)
