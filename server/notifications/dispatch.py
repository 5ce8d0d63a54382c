"""From an alert that changed to the groups it is told in, and from a group to notifications."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from novaql.server.alert_model.identity import group_key
from novaql.server.alert_model.tables import (
    Alert,
    AlertRule,
    Channel,
    GroupMember,
    Notification,
    NotificationGroup,
    Routing,
)
from novaql.server.clock import parse_time, rfc3339
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import DELIVERIES, PENDING_LIMIT, remaining
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.ids import new_id
from novaql.server.notifications.grouping import (
    SHOWN_ALERTS,
    Told,
    Why,
    first_flush,
    next_flush,
    reason_to_tell,
)
from novaql.server.notifications.inhibition import Inhibitor
from novaql.server.notifications.routing import Destination, destinations
from novaql.server.notifications.routing_config import RoutingPlan, plan_of
from novaql.server.notifications.time_intervals import is_quiet
from novaql.server.silences.model import Silence
from novaql.server.silences.repository import active_silences

log = logging.getLogger(__name__)
FLUSH, DELIVER = "alerts.flush", "alerts.deliver"
_AT_ONCE = 500
REGROUPED_AT_ONCE = 1000
"""Alerts that are put into groups in one transaction."""

_ROUTING = Prepared(select(Routing))
_FIRING = Prepared(select(Alert.id, Alert.labels).where(Alert.state == "firing"))


def routing_plan(unit: Unit) -> RoutingPlan:
    """The tenant's routing; without any, nobody is told."""
    row = _ROUTING.run(unit.session).scalar_one_or_none()
    return plan_of(None if row is None else row.config)


def routed(
    plan: RoutingPlan, labels: Mapping[str, str], rule_channels: Sequence[str] = ()
) -> list[Destination]:
    """Where an alert goes. Channels that its rule names stand in place of the tree's, in the
    groups and intervals of the first node that matches."""
    found = destinations(plan.root, labels)
    if rule_channels:
        own = tuple(dict.fromkeys(rule_channels))
        return [replace(found[0], channels=own, path=f"{found[0].path}@{','.join(own)}")]
    return [one for one in found if one.channels]


def join_groups(unit: Unit, alerts: Sequence[Alert], rules: Mapping[str, AlertRule]) -> None:
    """Put alerts that fire into their groups; new groups are looked at after `group_wait`."""
    plan = routing_plan(unit)
    wanted: dict[str, tuple[Destination, dict[str, str], list[Alert]]] = {}
    for alert in alerts:
        rule = rules.get(alert.rule_id)
        for destination in routed(plan, alert.labels, () if rule is None else rule.channels):
            labels = destination.group_labels(alert.labels)
            key = group_id(unit, destination, labels)
            wanted.setdefault(key, (destination, labels, []))[2].append(alert)
    known = {row.id: row for row in _rows(unit, NotificationGroup, NotificationGroup.id, wanted)}
    here = _memberships(unit, [alert.id for alert in alerts]) if known else set()
    fresh: list[dict[str, str]] = []
    flushes: dict[str, datetime] = {}
    for key, (destination, labels, members) in wanted.items():
        group = known.get(key)
        if group is None:
            started = [alert.fired_at or alert.started_at for alert in members]
            flushes[key] = _new_group(unit, key, destination, labels, started).next_flush
        else:
            group.destination = _written(destination)
        fresh += [
            {"group_id": key, "alert_id": alert.id}
            for alert in members
            if (key, alert.id) not in here
        ]
    unit.insert(GroupMember, fresh)
    unit.enqueue_all(FLUSH, flushes)


def regroup(unit: Unit, after: str) -> str | None:
    """Put the next alerts that fire where they belong now: the tree or a rule's channels changed.

    after  the last alert of the call before, "" for the first call

    The last of these alerts; None: these were the last. Groups that stay remember what was told;
    what is not in them any more is not told resolved.
    """
    firing = select(Alert).where(Alert.state == "firing", Alert.id > after).order_by(Alert.id)
    alerts = unit.session.execute(firing.limit(REGROUPED_AT_ONCE)).scalars().all()
    last = alerts[-1].id if len(alerts) == REGROUPED_AT_ONCE else None
    theirs = GroupMember.alert_id > after
    if last is not None:
        theirs &= GroupMember.alert_id <= last
    unit.session.execute(delete(GroupMember).where(theirs))
    join_groups(unit, alerts, _rules_of(unit, alerts))
    return last


def leave_empty(unit: Unit) -> None:
    """Delete the groups that no alert is in any more."""
    used = select(GroupMember.group_id)
    unused = select(NotificationGroup.id).where(NotificationGroup.id.not_in(used))
    ids = list(unit.session.execute(unused).scalars())
    unit.cancel(FLUSH, ids)
    for start in range(0, len(ids), _AT_ONCE):
        some = NotificationGroup.id.in_(ids[start : start + _AT_ONCE])
        unit.session.execute(delete(NotificationGroup).where(some))


def _memberships(unit: Unit, alert_ids: Sequence[str]) -> set[tuple[str, str]]:
    """Groups that alerts are in: pairs of the ids of group and alert."""
    rows = _rows(unit, GroupMember, GroupMember.alert_id, alert_ids)
    return {(row.group_id, row.alert_id) for row in rows}


def _rules_of(unit: Unit, alerts: Sequence[Alert]) -> dict[str, AlertRule]:
    ids = {alert.rule_id for alert in alerts}
    return {row.id: row for row in _rows(unit, AlertRule, AlertRule.id, ids)}


def unmuted_again(unit: Unit, alert_ids: Sequence[str]) -> None:
    """A silence of these alerts was lifted: what they tell counts as news."""
    gone = set(alert_ids)
    groups = sorted({group_id for group_id, _ in _memberships(unit, sorted(gone))})
    for group in _rows(unit, NotificationGroup, NotificationGroup.id, groups, lock=True):
        group.told = {
            channel: {**told, "firing": [key for key in told["firing"] if key not in gone]}
            for channel, told in group.told.items()
        }


@dataclass(frozen=True, slots=True)
class Muting:
    """What mutes alerts at a moment: silences, and other alerts."""

    silences: Sequence[Silence]
    inhibitor: Inhibitor
    now: datetime

    @classmethod
    def of(cls, unit: Unit, plan: RoutingPlan) -> Muting:
        """As things are now."""
        firing: dict[str, Mapping[str, str]] = {}
        if plan.inhibit:
            rows = _FIRING.run(unit.session).all()
            firing = {row[0]: row[1] for row in rows}
        return cls(active_silences(unit), Inhibitor(plan.inhibit, firing), unit.now())

    def silences_of(self, labels: Mapping[str, str]) -> list[str]:
        """Ids of the silences that mute an alert."""
        return sorted(s.id for s in self.silences if s.mutes(labels, self.now))

    def suppressing(self, labels: Mapping[str, str]) -> list[str]:
        """Ids of everything that mutes an alert: silences, and alerts that inhibit it."""
        return [*self.silences_of(labels), *self.inhibitor.inhibiting(labels)]


def flush(unit: Unit, group_id: str) -> None:
    """Look at a group: tell its channels what is news, and decide when to look again."""
    group = unit.find(NotificationGroup, group_id, lock=True)
    if group is None:
        return
    destination = _read(group.destination)
    members = select(GroupMember.alert_id).where(GroupMember.group_id == group_id)
    alerts = unit.session.execute(select(Alert).where(Alert.id.in_(members))).scalars().all()
    plan = routing_plan(unit)
    quiet = is_quiet(
        unit.now(),
        plan.intervals(destination.mute_times),
        plan.intervals(destination.active_times),
    )
    if not quiet and _tell(unit, group, destination, plan, alerts):
        over = [alert.id for alert in alerts if alert.state not in ("firing",)]
        for start in range(0, len(over), _AT_ONCE):
            unit.session.execute(
                delete(GroupMember).where(
                    GroupMember.group_id == group_id,
                    GroupMember.alert_id.in_(over[start : start + _AT_ONCE]),
                )
            )
        if len(over) == len(alerts):
            unit.session.delete(group)
            return
    group.next_flush = next_flush(destination, unit.now())
    unit.enqueue(FLUSH, key=group.id, run_at=group.next_flush)


def _tell(
    unit: Unit,
    group: NotificationGroup,
    destination: Destination,
    plan: RoutingPlan,
    alerts: Sequence[Alert],
) -> bool:
    """Tell the channels of a group what is news. Whether all could be told: what cannot, since as
    many messages wait as the tenant may have, is told at the next flush."""
    muting = Muting.of(unit, plan)
    heard = [alert for alert in alerts if not muting.suppressing(alert.labels)]
    if not heard:
        return True
    left = remaining(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    all_told = True
    firing = frozenset(alert.id for alert in heard if alert.state == "firing")
    # One that was pending again, since its `for` grew, is neither.
    resolved = frozenset(alert.id for alert in heard if alert.state == "resolved")
    told = dict(group.told)
    for channel in channels_named(unit, destination.channels):
        why = reason_to_tell(
            _told(told.get(channel.name)),
            firing,
            resolved,
            repeat_interval=destination.repeat_interval,
            now=unit.now(),
            send_resolved=channel.send_resolved,
        )
        if why is None:
            continue
        if left <= 0:
            log.warning("channel %s is told later: too many messages wait", channel.name)
            all_told = False
            continue
        left -= 1
        shown = [a for a in heard if a.state == "firing" or channel.send_resolved]
        notify(unit, channel, group.id, group.labels, destination.path, why, shown)
        told[channel.name] = {
            "at": rfc3339(unit.now()),
            "firing": sorted(firing),
            "resolved": sorted(resolved),
        }
        for alert in shown:
            alert.notified_at = unit.now()
    group.told = told
    return all_told


def notify(
    unit: Unit,
    channel: Channel,
    group_id: str,
    labels: Mapping[str, str],
    route: str,
    why: Why,
    alerts: Sequence[Alert],
    *,
    alert_id: str | None = None,
) -> Notification:
    """Write a notification down, and have it delivered."""
    ordered = sorted(alerts, key=lambda alert: (alert.state != "firing", alert.id))
    firing = sum(1 for alert in alerts if alert.state == "firing")
    row = Notification(
        id=new_id("ntf"),
        created_at=unit.now(),
        updated_at=unit.now(),
        version=1,
        channel=channel.name,
        channel_type=channel.type,
        group_id=group_id,
        alert_id=alert_id,
        why=str(why),
        status="pending",
        attempts=0,
        firing=firing,
        resolved=len(alerts) - firing,
        payload={
            "route": route,
            "group_labels": dict(labels),
            "alerts": [told_alert(alert) for alert in ordered[:SHOWN_ALERTS]],
            "total": len(alerts),
            "truncated": max(0, len(alerts) - SHOWN_ALERTS),
        },
    )
    unit.session.add(row)
    unit.enqueue(DELIVER, key=row.id, payload={"channel_id": channel.id})
    return row


def told_alert(alert: Alert) -> dict[str, Any]:
    """An alert as notifications and events have it."""
    return {
        "id": alert.id,
        "rule_id": alert.rule_id,
        "name": alert.name,
        "state": alert.state,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "value": alert.value,
        "service": alert.service,
        "severity": alert.severity,
        "started_at": rfc3339(alert.started_at),
        "fired_at": None if alert.fired_at is None else rfc3339(alert.fired_at),
        "resolved_at": None if alert.resolved_at is None else rfc3339(alert.resolved_at),
    }


def channels_named(unit: Unit, names: Iterable[str]) -> list[Channel]:
    """The channels of these names that there are, in their order."""
    rows = _rows(unit, Channel, Channel.name, list(names))
    by_name = {row.name: row for row in rows}
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name]


def _new_group(
    unit: Unit,
    key: str,
    destination: Destination,
    labels: dict[str, str],
    started: Sequence[datetime],
) -> NotificationGroup:
    now = unit.now()
    group = NotificationGroup(
        id=key,
        created_at=now,
        updated_at=now,
        version=1,
        destination=_written(destination),
        labels=labels,
        told={},
        next_flush=first_flush(destination, now, started),
    )
    unit.session.add(group)
    return group


def group_id(unit: Unit, destination: Destination, labels: Mapping[str, str]) -> str:
    """The id of the group that alerts with these grouping labels are in."""
    return "ngr_" + group_key(f"{unit.tenant_id}/{destination.path}", labels)


def _written(destination: Destination) -> dict[str, Any]:
    return {
        name: value / timedelta(milliseconds=1) if isinstance(value, timedelta) else value
        for name, value in asdict(destination).items()
    }


def _read(written: Mapping[str, Any]) -> Destination:
    given = dict(written)
    for name in ("group_wait", "group_interval", "repeat_interval"):
        given[name] = timedelta(milliseconds=given[name])
    for name in ("channels", "group_by", "mute_times", "active_times"):
        given[name] = tuple(given[name])
    return Destination(**given)


def _told(written: Mapping[str, Any] | None) -> Told | None:
    if written is None:
        return None
    return Told(
        parse_time(written["at"]), frozenset(written["firing"]), frozenset(written["resolved"])
    )


def _rows(
    unit: Unit, table: Any, column: Any, keys: Iterable[str], *, lock: bool = False
) -> list[Any]:
    wanted = list(keys)
    found: list[Any] = []
    for start in range(0, len(wanted), _AT_ONCE):
        statement = select(table).where(column.in_(wanted[start : start + _AT_ONCE]))
        statement = statement.order_by(column).with_for_update() if lock else statement
        found += unit.session.execute(statement).scalars().all()
    return found
