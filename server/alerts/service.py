"""Use cases of alerts: list, silence, lift the silence, notify."""

from __future__ import annotations

import math
from datetime import timedelta

from sqlalchemy import select

from novaql.server.alert_model import history
from novaql.server.alert_model.identity import matchers_of_alert
from novaql.server.alert_model.payload import alert_payload
from novaql.server.alert_model.tables import Alert, AlertChange, AlertRule
from novaql.server.alerts.schema import SilenceAlert
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import DELIVERIES, PENDING_LIMIT, check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, NotFound, RateLimited, invalid
from novaql.server.notifications import dispatch
from novaql.server.notifications.grouping import Reason
from novaql.server.notifications.lookup import channels_named, destinations_for, routing_plan
from novaql.server.notifications.tables import Notification
from novaql.server.silences import repository
from novaql.server.silences.model import checked_duration, checked_reason
from novaql.server.silences.muting import Muting
from novaql.server.silences.tables import SilenceRow

_NOTIFIED = "notified"
"""The entry in the history of an alert for a notification by hand."""


def silence(unit: Unit, alert_id: str, body: SilenceAlert) -> tuple[SilenceRow, bool]:
    """Silence one alert. Returns True if its own silence was not in force before."""
    alert = unit.get(Alert, alert_id, "alert", lock=True)
    reason, starts_at, ends_at = checked_reason(body.reason), unit.now(), None
    if body.duration is not None:
        ends_at = starts_at + checked_duration(body.duration)
    elif not body.until_resolved:
        raise invalid("/duration", "a duration is needed, or until_resolved")
    if body.until_resolved and alert.state not in ("pending", "firing"):
        raise Conflict("the alert is over, so it cannot resolve", code="alert_resolved")
    row, before = repository.silence(
        unit,
        matchers_of_alert(alert.labels),
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
        alert=alert,
        until_resolved=body.until_resolved,
    )
    history.record(unit, alert, "silenced", reason)
    after = repository.snapshot(row)
    event = ("alert.silenced", {"alert": alert_payload(alert), "silence": after})
    unit.audit("alert.silence", ("alert", alert.id), before=before, after=after, event=event)
    return row, before is None


def unsilence(unit: Unit, alert_id: str) -> list[str]:
    """Lift the silence of one alert. Returns the ids of what still mutes it."""
    alert = unit.get(Alert, alert_id, "alert", lock=True)
    row = repository.of_alert(unit, alert.id)
    if row is None:
        raise NotFound(f"Alert {alert.id} has no silence of its own.", code="silence_not_found")
    before = repository.snapshot(row)
    repository.lift(unit, row)
    history.record(unit, alert, "unsilenced", "")
    dispatch.notify_again(unit, [alert.id])
    event = ("alert.unsilenced", {"alert": alert_payload(alert), "silence": before})
    unit.audit("alert.unsilence", ("alert", alert.id), before=before, event=event)
    return Muting.of(unit, routing_plan(unit)).suppressing(alert.labels)


def notify(unit: Unit, alert_id: str) -> list[Notification]:
    """Notify each channel of a firing alert once, now."""
    alert = unit.get(Alert, alert_id, "alert", lock=True)
    if alert.state != "firing":
        raise Conflict(f"the alert does not fire, it is {alert.state}", code="alert_not_firing")
    plan = routing_plan(unit)
    muting = Muting.of(unit, plan)
    if by := muting.suppressing(alert.labels):
        raise Conflict(f"the alert is suppressed by {', '.join(by)}", code="alert_suppressed")
    _not_too_often(unit, alert)
    rule = unit.find(AlertRule, alert.rule_id)
    check_limit(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    made: dict[str, Notification] = {}
    for destination in destinations_for(plan, alert.labels, () if rule is None else rule.channels):
        labels = destination.group_labels(alert.labels)
        group = dispatch.group_id(unit, destination, labels)
        for channel in channels_named(unit, destination.channels):
            if channel.name not in made:
                made[channel.name] = dispatch.notify(
                    unit,
                    channel,
                    group,
                    labels,
                    destination.path,
                    Reason.BY_HAND,
                    [alert],
                    alert_id=alert.id,
                )
    alert.notified_at = unit.now()
    history.record(unit, alert, _NOTIFIED, f"by {unit.actor.name}")
    unit.audit("alert.notify", ("alert", alert.id), after={"channels": sorted(made)})
    return list(made.values())


def _not_too_often(unit: Unit, alert: Alert) -> None:
    gap = timedelta(seconds=unit.settings.manual_notify_interval_s)
    last = unit.session.execute(
        select(AlertChange.at)
        .where(
            AlertChange.alert_id == alert.id,
            AlertChange.type == _NOTIFIED,
            AlertChange.at > unit.now() - gap,
        )
        .order_by(AlertChange.at.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last is not None:
        wait = math.ceil((last + gap - unit.now()).total_seconds())
        raise RateLimited(
            f"this alert was notified by hand a moment ago; again in {wait} s",
            code="notified_just_now",
            headers={"Retry-After": str(max(wait, 1))},
        )
