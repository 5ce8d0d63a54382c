"""The states of an incident, and what may be done in each. Pure."""

from __future__ import annotations

from enum import StrEnum


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
