"""The flush times of a group of alerts, and the condition under which a flush notifies a channel.

The condition is Alertmanager's (`notify/dedup_stage.go`). A flush notifies a channel if a new alert
fires, if all alerts have resolved after a notification of firing ones, if some have resolved since
the last notification, and otherwise if the repeat interval is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from novaql.fast_dataclass import dataclass
from novaql.server.notifications.routing import Destination

SHOWN_ALERTS = 100
"""The most alerts that a notification lists. It counts all of them."""


class Reason(StrEnum):
    """The reason to notify a channel."""

    NEW = "new_alerts"
    RESOLVED = "all_resolved"
    SOME_RESOLVED = "some_resolved"
    REPEAT = "repeat"
    BY_HAND = "by_hand"
    TEST = "test"
    RUNBOOK = "runbook"


@dataclass(frozen=True, slots=True)
class LastNotification:
    """The last notification of a group to a channel.

    firing, resolved  ids of alerts
    """

    at: datetime
    firing: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()


def first_flush(destination: Destination, now: datetime, started: Iterable[datetime]) -> datetime:
    """The first flush of a new group.

    It waits for `group_wait`, so that one notification covers alerts that start together. It does
    not wait if one of them started earlier than that.
    """
    oldest = min(started, default=now)
    if oldest + destination.group_wait <= now:
        return now
    return now + destination.group_wait


def next_flush(destination: Destination, flushed: datetime) -> datetime:
    """The flush after the one at `flushed`."""
    return flushed + destination.group_interval


def reason_to_notify(
    last: LastNotification | None,
    firing: frozenset[str],
    resolved: frozenset[str],
    *,
    repeat_interval: timedelta,
    now: datetime,
    send_resolved: bool = True,
) -> Reason | None:
    """The reason to notify a channel of a group now, or None.

    last      the last notification to the channel, if any
    firing    ids of alerts that fire and are not muted
    resolved  ids of alerts of the group that have resolved
    """
    if last is None:
        return Reason.NEW if firing else None  # the start was never reported: report no end
    if not firing <= last.firing:
        return Reason.NEW
    if not firing:
        # All have resolved. Notify only if the last notification had firing alerts.
        return Reason.RESOLVED if last.firing and send_resolved else None
    if send_resolved and not resolved <= last.resolved:
        return Reason.SOME_RESOLVED
    return Reason.REPEAT if last.at <= now - repeat_interval or last.at > now else None
