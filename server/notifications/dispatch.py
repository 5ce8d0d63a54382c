"""Dispatch: firing alerts join groups, and a flush of a group notifies its channels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import TypeAdapter
from sqlalchemy import delete, select

from novaql.server.alert_model.identity import group_key
from novaql.server.alert_model.payload import alert_payload
from novaql.server.alert_model.rows_by_key import delete_by, rows_by
from novaql.server.alert_model.tables import Alert, AlertRule
from novaql.server.clock import rfc3339
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import DELIVERIES, PENDING_LIMIT, remaining
from novaql.server.db.turns import take_turns
from novaql.server.db.unit import Unit
from novaql.server.ids import new_id
from novaql.server.notifications.grouping import (
    SHOWN_ALERTS,
    LastNotification,
    Reason,
    first_flush,
    next_flush,
    reason_to_notify,
)
from novaql.server.notifications.lookup import channels_named, destinations_for, routing_plan
from novaql.server.notifications.routing import Destination
from novaql.server.notifications.routing_config import RoutingPlan
from novaql.server.notifications.tables import Channel, GroupMember, Notification, NotificationGroup
from novaql.server.notifications.time_intervals import is_quiet

log = logging.getLogger(__name__)
_LAST_NOTIFICATION = TypeAdapter(LastNotification | None)
FLUSH, DELIVER, REGROUP = "alerts.flush", "alerts.deliver", "alerts.regroup"


class Suppression(Protocol):
    """What mutes alerts at a moment: `silences.muting.Muting` implements it."""

    def suppressing(self, labels: Mapping[str, str]) -> Sequence[str]:
        """Ids of the silences and alerts that mute an alert with these labels."""


Suppressions = Callable[[Unit, RoutingPlan], Suppression]
"""Loads what mutes alerts now."""


def hold_groups(unit: Unit) -> None:
    """Let no other unit add alerts to groups, remove them or delete groups until this unit ends.

    A unit calls it before it locks rows of alerts or groups. Otherwise a flush could delete the
    group that an alert joins at that time, and the alert would never be notified.
    """
    take_turns(unit, "notification groups")


def join_groups(unit: Unit, alerts: Sequence[Alert], rules: Mapping[str, AlertRule]) -> None:
    """Add firing alerts to their groups, and remove them from others, to which they belonged by an
    earlier tree. A new group is flushed after `group_wait`.

    The unit holds the groups.
    """
    plan = routing_plan(unit)
    wanted: dict[str, tuple[Destination, dict[str, str], list[Alert]]] = {}
    for alert in alerts:
        rule = rules.get(alert.rule_id)
        channels = () if rule is None else rule.channels
        for destination in destinations_for(plan, alert.labels, channels):
            labels = destination.group_labels(alert.labels)
            key = group_id(unit, destination, labels)
            wanted.setdefault(key, (destination, labels, []))[2].append(alert)
    known = {row.id: row for row in rows_by(unit, NotificationGroup.id, wanted)}
    here = _memberships(unit, [alert.id for alert in alerts])
    fresh: list[dict[str, str]] = []
    flushes: dict[str, datetime] = {}
    for key, (destination, labels, members) in wanted.items():
        group = known.get(key)
        if group is None:
            started = [alert.fired_at or alert.started_at for alert in members]
            flushes[key] = first_flush(destination, unit.now(), started)
            group = NotificationGroup(
                id=key,
                created_at=unit.now(),
                destination=_to_json(destination),
                labels=labels,
                notified={},
                next_flush=flushes[key],
            )
            unit.session.add(group)
        else:
            group.destination = _to_json(destination)
        fresh += [
            {"group_id": key, "alert_id": alert.id}
            for alert in members
            if (key, alert.id) not in here
        ]
    unit.insert(GroupMember, fresh)
    joined = {(key, alert.id) for key, (_, _, members) in wanted.items() for alert in members}
    left: dict[str, list[str]] = {}
    for key, alert_id in here - joined:
        left.setdefault(key, []).append(alert_id)
    for key in sorted(left):
        delete_by(unit, GroupMember.alert_id, left[key], GroupMember.group_id == key)
    unit.enqueue_all(FLUSH, flushes)


def regroup(unit: Unit, after: str, most: int) -> str | None:
    """Move the next firing alerts to their groups after the tree or the channels of a rule changed.

    after  the last alert of the previous call, "" for the first call
    most   alerts to move

    Returns the last of these alerts, or None if no more follow. Groups that remain retain their
    last notifications. Leaving a group does not report an alert as resolved. An alert whose end is
    not reported yet stays in its group, which reports it.
    """
    hold_groups(unit)
    firing = select(Alert).where(Alert.state == "firing", Alert.id > after).order_by(Alert.id)
    alerts = unit.session.execute(firing.limit(most)).scalars().all()
    last = alerts[-1].id if len(alerts) == most else None
    theirs = GroupMember.alert_id > after
    if last is not None:
        theirs &= GroupMember.alert_id <= last
    ended = select(Alert.id).where(Alert.state != "firing")
    unit.session.execute(delete(GroupMember).where(theirs, GroupMember.alert_id.not_in(ended)))
    rules = rows_by(unit, AlertRule.id, {alert.rule_id for alert in alerts})
    join_groups(unit, alerts, {rule.id: rule for rule in rules})
    return last


def flush_empty_groups(unit: Unit) -> None:
    """Make the groups without alerts due for a flush, which deletes them."""
    used = select(GroupMember.group_id)
    unused = select(NotificationGroup.id).where(NotificationGroup.id.not_in(used))
    ids = unit.session.execute(unused).scalars()
    unit.enqueue_all(FLUSH, dict.fromkeys(ids, unit.now()))


def _memberships(unit: Unit, alert_ids: Sequence[str]) -> set[tuple[str, str]]:
    """The memberships of alerts as pairs: id of the group, id of the alert."""
    rows = rows_by(unit, GroupMember.alert_id, alert_ids)
    return {(row.group_id, row.alert_id) for row in rows}


def notify_again(unit: Unit, alert_ids: Iterable[str]) -> None:
    """After the silence of firing alerts was lifted, make the next flush report them as new."""
    gone = set(alert_ids)
    groups = {group_id for group_id, _ in _memberships(unit, sorted(gone))}
    for group in rows_by(unit, NotificationGroup.id, groups, lock=True):
        group.notified = {
            channel: {**last, "firing": [key for key in last["firing"] if key not in gone]}
            for channel, last in group.notified.items()
        }


def flush(unit: Unit, group_id: str, suppressions: Suppressions) -> None:
    """Notify the channels of a group where needed, and schedule its next flush. A group without
    alerts ends."""
    hold_groups(unit)
    group = unit.find(NotificationGroup, group_id, lock=True)
    if group is None:
        return
    destination = _from_json(group.destination)
    members = select(GroupMember.alert_id).where(GroupMember.group_id == group_id)
    alerts = unit.session.execute(select(Alert).where(Alert.id.in_(members))).scalars().all()
    if not alerts:
        unit.session.delete(group)
        return
    plan = routing_plan(unit)
    quiet = is_quiet(
        unit.now(),
        plan.intervals(destination.mute_times),
        plan.intervals(destination.active_times),
    )
    if not quiet:
        muting = suppressions(unit, plan)
        unmuted = [alert for alert in alerts if not muting.suppressing(alert.labels)]
        if _notify_channels(unit, group, destination, unmuted):
            over = [alert.id for alert in alerts if alert.state != "firing"]
            delete_by(unit, GroupMember.alert_id, over, GroupMember.group_id == group_id)
            if len(over) == len(alerts):
                unit.session.delete(group)
                return
    group.next_flush = next_flush(destination, unit.now())
    unit.enqueue(FLUSH, key=group.id, run_at=group.next_flush)


def _notify_channels(
    unit: Unit, group: NotificationGroup, destination: Destination, unmuted: Sequence[Alert]
) -> bool:
    """Notify the channels of a group that have a reason.

    Returns False if the tenant has too many pending messages. The next flush then retries.
    """
    if not unmuted:
        return True
    left = remaining(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    complete = True
    firing = frozenset(alert.id for alert in unmuted if alert.state == "firing")
    # An alert that is pending again because its `for` grew is neither firing nor resolved.
    resolved = frozenset(alert.id for alert in unmuted if alert.state == "resolved")
    notified = dict(group.notified)
    for channel in channels_named(unit, destination.channels):
        reason = reason_to_notify(
            _LAST_NOTIFICATION.validate_python(notified.get(channel.name)),
            firing,
            resolved,
            repeat_interval=destination.repeat_interval,
            now=unit.now(),
            send_resolved=channel.send_resolved,
        )
        if reason is None:
            continue
        if left <= 0:
            log.warning("channel %s is notified later: too many messages are pending", channel.name)
            complete = False
            continue
        left -= 1
        shown = [a for a in unmuted if a.state == "firing" or channel.send_resolved]
        notify(unit, channel, group.id, group.labels, destination.path, reason, shown)
        notified[channel.name] = {
            "at": rfc3339(unit.now()),
            "firing": sorted(firing),
            "resolved": sorted(resolved),
        }
        for alert in shown:
            alert.notified_at = unit.now()
    group.notified = notified
    return complete


def notify(
    unit: Unit,
    channel: Channel,
    group_id: str,
    labels: Mapping[str, str],
    route: str,
    reason: Reason,
    alerts: Sequence[Alert],
    *,
    alert_id: str | None = None,
) -> Notification:
    """Create a notification, and the job that delivers it."""
    ordered = sorted(alerts, key=lambda alert: (alert.state != "firing", alert.id))
    firing = sum(1 for alert in alerts if alert.state == "firing")
    row = Notification(
        id=new_id("ntf"),
        created_at=unit.now(),
        channel=channel.name,
        channel_type=channel.type,
        group_id=group_id,
        alert_id=alert_id,
        why=str(reason),
        status="pending",
        attempts=0,
        firing=firing,
        resolved=len(alerts) - firing,
        payload={
            "route": route,
            "group_labels": dict(labels),
            "alerts": [alert_payload(alert) for alert in ordered[:SHOWN_ALERTS]],
            "total": len(alerts),
            "truncated": max(0, len(alerts) - SHOWN_ALERTS),
        },
    )
    unit.session.add(row)
    unit.enqueue(DELIVER, key=row.id, payload={"channel_id": channel.id})
    return row


def group_id(unit: Unit, destination: Destination, labels: Mapping[str, str]) -> str:
    """The id of the group of the alerts with these grouping labels."""
    return "ngr_" + group_key(f"{unit.tenant_id}/{destination.path}", labels)


def _to_json(destination: Destination) -> dict[str, Any]:
    return {
        name: value / timedelta(milliseconds=1) if isinstance(value, timedelta) else value
        for name, value in asdict(destination).items()
    }


def _from_json(written: Mapping[str, Any]) -> Destination:
    given = dict(written)
    for name in ("group_wait", "group_interval", "repeat_interval"):
        given[name] = timedelta(milliseconds=given[name])
    for name in ("channels", "group_by", "mute_times", "active_times"):
        given[name] = tuple(given[name])
    return Destination(**given)
