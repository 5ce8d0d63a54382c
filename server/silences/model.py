"""The model of a silence: matchers, end, reason, and all revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from novaql.fast_dataclass import dataclass
from novaql.server.alert_model.matcher_text import all_match
from novaql.server.errors import invalid
from novaql.server.http.shapes import Timestamp
from novaql.tsdb import Matcher

LONGEST = timedelta(days=366)
SHORTEST = timedelta(seconds=1)
MOST_REVISIONS = 100
"""The most revisions that a silence retains. Older ones are dropped."""


@dataclass(frozen=True, slots=True)
class Revision:
    """The content of a silence from `made_at` on.

    ends_at  None means when its alert resolves
    """

    number: int
    starts_at: Timestamp
    ends_at: Timestamp | None
    reason: str
    created_by: str
    made_at: Timestamp


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence with its revisions. The last one is in force.

    lifted_at  when a user, or the end of its alert, ended it early
    """

    id: str
    matchers: tuple[Matcher, ...]
    revisions: tuple[Revision, ...]
    lifted_at: datetime | None = None

    @property
    def current(self) -> Revision:
        return self.revisions[-1]

    def is_active(self, now: datetime) -> bool:
        """Whether the silence is in force at `now`."""
        last = self.current
        if self.lifted_at is not None and self.lifted_at <= now:
            return False
        return last.starts_at <= now and (last.ends_at is None or now < last.ends_at)

    def is_current(self, now: datetime) -> bool:
        """Whether the silence is in force at `now`, or will be."""
        return self.is_active(now) or (self.lifted_at is None and self.current.starts_at > now)

    def state(self, now: datetime) -> str:
        """`pending`, `active` or `expired`."""
        if self.is_active(now):
            return "active"
        return "pending" if self.is_current(now) else "expired"

    def mutes(self, labels: Mapping[str, str], now: datetime) -> bool:
        """Whether an alert with these labels is silenced at `now`."""
        return self.is_active(now) and all_match(self.matchers, labels)

    def revised(
        self, starts_at: datetime, ends_at: datetime | None, reason: str, by: str, now: datetime
    ) -> Silence:
        """Add a revision. It replaces the end, and reactivates a silence that is over."""
        number = self.current.number + 1
        revision = Revision(number, starts_at, ends_at, reason, by, now)
        newest = (*self.revisions, revision)[-MOST_REVISIONS:]
        return replace(self, revisions=newest, lifted_at=None)

    def lifted(self, now: datetime) -> Silence:
        """End the silence at `now`."""
        return replace(self, lifted_at=now)


def checked_reason(reason: str) -> str:
    """Return the reason without surrounding blanks. Raises `InvalidRequest` if it is empty."""
    text = reason.strip()
    if not text:
        raise invalid("/reason", "a silence needs a reason that others can understand")
    return text


def checked_duration(duration: timedelta, pointer: str = "/duration") -> timedelta:
    """Return the duration. Raises `InvalidRequest` unless it is between 1 second and 1 year."""
    if not SHORTEST <= duration <= LONGEST:
        raise invalid(pointer, "a silence lasts from 1s to 366d")
    return duration


def checked_matchers(matchers: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """Return the matchers. Raises `InvalidRequest` if all match missing labels, so every alert."""
    if all(m.matches("") for m in matchers):
        raise invalid("/matchers", "at least one matcher must not match the empty text")
    return tuple(sorted(set(matchers)))
