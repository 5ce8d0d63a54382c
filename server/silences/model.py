"""Silences: what is muted, until when, why; and every change of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from novaql.tsdb.matchers import Matcher

LONGEST = timedelta(days=366)
SHORTEST = timedelta(seconds=1)
MOST_REVISIONS = 100
"""So many of a silence are remembered, the last ones."""


class InvalidSilence(ValueError):
    """The silence would mute everything, nothing, or too long. The message says which."""


@dataclass(frozen=True, slots=True)
class Revision:
    """What a silence said from `made_at` on.

    ends_at         None: it ends when the alert it was made for resolves
    """

    number: int
    starts_at: datetime
    ends_at: datetime | None
    reason: str
    created_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence with its history; the last revision counts.

    lifted_at  when somebody or a resolved alert ended it early
    """

    id: str
    matchers: tuple[Matcher, ...]
    revisions: tuple[Revision, ...]
    lifted_at: datetime | None = None

    @property
    def current(self) -> Revision:
        return self.revisions[-1]

    def is_active(self, now: datetime) -> bool:
        """Whether it mutes at `now`."""
        last = self.current
        if self.lifted_at is not None and self.lifted_at <= now:
            return False
        return last.starts_at <= now and (last.ends_at is None or now < last.ends_at)

    def mutes(self, labels: Mapping[str, str], now: datetime) -> bool:
        """Whether an alert with these labels is silenced at `now`."""
        return self.is_active(now) and all(m.matches(labels.get(m.name, "")) for m in self.matchers)

    def revised(
        self, starts_at: datetime, ends_at: datetime | None, reason: str, by: str
    ) -> Silence:
        """The same silence said anew: it replaces the end, and is active again if it was over."""
        number = self.current.number + 1
        revision = Revision(number, starts_at, ends_at, reason, by, starts_at)
        kept = (*self.revisions, revision)[-MOST_REVISIONS:]
        return replace(self, revisions=kept, lifted_at=None)

    def lifted(self, now: datetime) -> Silence:
        """Ended at `now`."""
        return replace(self, lifted_at=now)


def checked_reason(reason: str) -> str:
    """The reason without blanks around it. Raises `InvalidSilence` if nothing is left."""
    text = reason.strip()
    if not text:
        raise InvalidSilence("a silence needs a reason that somebody else can understand")
    return text


def checked_duration(duration: timedelta) -> timedelta:
    """Raises `InvalidSilence` unless it is from 1 second to a year."""
    if not SHORTEST <= duration <= LONGEST:
        raise InvalidSilence("a silence lasts from 1s to 366d")
    return duration


def checked_matchers(matchers: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """Raises `InvalidSilence` if all of them match labels that are missing: that is everything."""
    if not any(not m.matches("") for m in matchers):
        raise InvalidSilence("at least one matcher must not match the empty text")
    return tuple(sorted(set(matchers)))


def muting(
    silences: Sequence[Silence], labels: Mapping[str, str], now: datetime
) -> tuple[str, ...]:
    """Ids of the silences that mute an alert at `now`, sorted."""
    return tuple(sorted(s.id for s in silences if s.mutes(labels, now)))
