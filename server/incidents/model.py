"""The states of an incident, and what may be done in each. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

MOST_ALERTS = 100
"""So many alerts of an incident are named by answers and events, the first ones."""


class Status(StrEnum):
    """An incident that is not resolved is open."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class EntryType(StrEnum):
    """What an entry of a timeline tells of.

    ACKNOWLEDGED is the change of the state, which happens once; whoever acknowledges after that is
    ACKNOWLEDGER_ADDED.
    """

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGER_ADDED = "acknowledger_added"
    RESOLVED = "resolved"
    COMMENT = "comment"
    ALERTS_ENDED = "alerts_ended"


_WORDS = {
    "sev1": ("sev1", "p1", "critical", "page", "emergency", "disaster"),
    "sev2": ("sev2", "p2", "error", "high", "major"),
    "sev3": ("sev3", "p3", "warning", "warn", "ticket", "medium"),
    "sev4": ("sev4", "p4", "low", "minor", "notice"),
    "sev5": ("sev5", "p5", "info", "debug", "none"),
}
_BY_WORD = {word: severity for severity, words in _WORDS.items() for word in words}
UNKNOWN = "sev3"
"""The severity of alerts that have none, or one that means nothing here."""


def severity_of(labels: Iterable[str]) -> str:
    """The worst that severities of alerts stand for. Case does not count."""
    found = (_BY_WORD.get(label.strip().lower(), UNKNOWN) for label in labels)
    return min(found, default=UNKNOWN)


class IncidentResolved(ValueError):
    """Nothing but a comment changes an incident that is over."""


def acknowledge(status: Status, *, again: bool) -> EntryType | None:
    """What it is that somebody acknowledges; None: nothing, since they have before.

    again  whether this user is an acknowledger already

    Raises `IncidentResolved`.
    """
    if status is Status.RESOLVED:
        raise IncidentResolved
    if status is Status.TRIGGERED:
        return EntryType.ACKNOWLEDGED
    return None if again else EntryType.ACKNOWLEDGER_ADDED


def resolve(status: Status) -> Status:
    """The state after somebody resolves. Raises `IncidentResolved`."""
    if status is Status.RESOLVED:
        raise IncidentResolved
    return Status.RESOLVED
