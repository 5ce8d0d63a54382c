"""When a group of alerts is told of, and when it is not worth telling again.

The rule is Alertmanager's (`notify/dedup_stage.go`): something new fires; or everything has
resolved and something of it had been told; or some resolved that had not been told so; or else
only when the repeat interval is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from novaql.server.notifications.routing import Destination

SHOWN_ALERTS = 100
"""A notification lists at most so many alerts, and says how many there are."""


class Why(StrEnum):
    """Why a group is told of."""

    NEW = "new_alerts"
    RESOLVED = "all_resolved"
    SOME_RESOLVED = "some_resolved"
    REPEAT = "repeat"
    BY_HAND = "by_hand"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel was last told of a group.

    firing, resolved  ids of alerts
    """

    at: datetime
    firing: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()


def first_flush(destination: Destination, now: datetime, started: Iterable[datetime]) -> datetime:
    """When a new group is first told of: after `group_wait`, so that alerts that come together are
    told together; at once if one of them began longer ago than that."""
    oldest = min(started, default=now)
    if oldest + destination.group_wait <= now:
        return now
    return now + destination.group_wait


def next_flush(destination: Destination, flushed: datetime) -> datetime:
    """When a group is looked at again."""
    return flushed + destination.group_interval


def reason_to_tell(
    told: Told | None,
    firing: frozenset[str],
    resolved: frozenset[str],
    *,
    repeat_interval: timedelta,
    now: datetime,
    send_resolved: bool = True,
) -> Why | None:
    """Why a channel is told of a group now; None if it is not.

    told      what it was last told; None: nothing
    firing    ids of alerts that fire and are not muted
    resolved  ids of alerts of the group that have resolved
    """
    if told is None:
        return Why.NEW if firing else None  # resolved before anybody heard of it: silence
    if not firing <= told.firing:
        return Why.NEW
    if not firing:
        # All is over. Nothing to tell unless the last word was that something fires.
        return Why.RESOLVED if told.firing and send_resolved else None
    if send_resolved and not resolved <= told.resolved:
        return Why.SOME_RESOLVED
    return Why.REPEAT if told.at <= now - repeat_interval or told.at > now else None
