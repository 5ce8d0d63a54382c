"""/v1/alerts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import Query, Response
from sqlalchemy import bindparam, select

from novaql.server.alert_model.tables import (
    Alert,
    AlertChange,
    AlertRule,
    Notification,
    NotificationGroup,
)
from novaql.server.alert_rules.router import destination_out, shown_rules
from novaql.server.alerts.schema import (
    AlertDetailOut,
    AlertOut,
    AlertQuery,
    AlertsOut,
    HistoryEntry,
    NotifiedOut,
    RoutingOut,
    SentOut,
    SilenceAlert,
    SilenceOut,
)
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import DELIVERIES, PENDING_LIMIT, check_limit
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, NotFound, RateLimited, invalid
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.pagination import Key
from novaql.server.http.routing import api_router, audited
from novaql.server.notifications import dispatch
from novaql.server.notifications.dispatch import Muting
from novaql.server.notifications.grouping import Why
from novaql.server.notifications.routing_config import RoutingPlan
from novaql.server.silences import repository
from novaql.server.silences.model import InvalidSilence, checked_duration, checked_reason
from novaql.server.silences.router import silence_out

router = api_router("/v1/alerts", "alerts")

KEYS = (Key(Alert.created_at, descending=True), Key(Alert.id))
HISTORY = 100
_CHANGES = Prepared(
    select(AlertChange)
    .where(AlertChange.alert_id == bindparam("alert_id"))
    .order_by(AlertChange.at.desc(), AlertChange.id.desc())
    .limit(HISTORY)
)


@router.get("", dependencies=[READ_ONLY])
def list_alerts(unit: UnitOfWork, pages: Pages, query: Annotated[AlertQuery, Query()]) -> AlertsOut:
    """Alerts, the newest first: `firing=true` for those that fire now."""
    statement = select(Alert)
    if query.state is not None:
        statement = statement.where(Alert.state == query.state)
    else:
        statement = statement.where(Alert.state != "inactive")
    if query.firing is not None:
        fires = Alert.state == "firing"
        statement = statement.where(fires if query.firing else ~fires)
    for name in ("service", "severity", "name", "rule_id"):
        if (wanted := getattr(query, name)) is not None:
            statement = statement.where(getattr(Alert, name) == wanted)
    page = pages.page(unit, statement, KEYS, query)
    muting = Muting.of(unit, dispatch.routing_plan(unit))
    shown = [alert_out(alert, muting) for alert in page.rows]
    return AlertsOut(data=shown, next_cursor=page.next_cursor)


@router.get("/{id}", dependencies=[READ_ONLY])
def get_alert(unit: UnitOfWork, id: ResourceId) -> AlertDetailOut:
    """One alert with its rule, its history, and its routing."""
    alert = unit.get(Alert, id, "alert")
    plan = dispatch.routing_plan(unit)
    muting = Muting.of(unit, plan)
    rule = unit.find(AlertRule, alert.rule_id)
    return AlertDetailOut(
        **alert_out(alert, muting).model_dump(),
        rule=None if rule is None else shown_rules(unit, [rule], plan)[0],
        history=_history(unit, alert),
        routing=_routing(unit, alert, rule, plan),
    )


@router.post(
    "/{id}/silence",
    status_code=201,
    dependencies=[OPERATOR],
    responses={200: {"model": SilenceOut}},
)
@audited("alert.silence")
def silence_alert(
    unit: UnitOfWork, id: ResourceId, body: SilenceAlert, response: Response
) -> SilenceOut:
    """Silence one alert, for a duration, with a reason: 201, or 200 if it was silenced already.

    The id of the silence is a function of tenant and labels; silencing the alert again sets a new
    end and adds a revision. The alert goes on firing, but no notification is sent.
    """
    alert = unit.get(Alert, id, "alert", lock=True)
    reason, ends_at = _reason(body.reason), None
    if body.duration is not None:
        ends_at = unit.now() + duration_of(body.duration)
    elif not body.until_resolved:
        raise invalid("/duration", "a duration is needed, or until_resolved")
    if body.until_resolved and alert.state not in ("pending", "firing"):
        raise Conflict("the alert is over, so it cannot resolve", code="alert_resolved")
    row, new = repository.silence_alert(
        unit, alert, ends_at, reason, until_resolved=body.until_resolved
    )
    unit.session.flush()
    unit.audit("alert.silence", ("alert", alert.id), after=repository.snapshot(row))
    unit.publish(
        "alert.silenced",
        {"alert": dispatch.told_alert(alert), "silence": repository.snapshot(row)},
    )
    if new:
        response.headers["Location"] = f"/v1/silences/{row.id}"
    else:
        response.status_code = 200
    return silence_out(row, unit.now())


@router.delete("/{id}/silence", status_code=204, dependencies=[OPERATOR])
@audited("alert.unsilence")
def unsilence_alert(unit: UnitOfWork, id: ResourceId, response: Response) -> None:
    """Lift the silence that was made for this alert.

    A broader silence stays: the alert then shows it in `suppressed_by`, and this answer in the
    header `Suppressed-By`.
    """
    alert = unit.get(Alert, id, "alert", lock=True)
    row = repository.of_alert(unit, alert.id)
    if row is None:
        raise NotFound(f"Alert {alert.id} has no silence of its own.", code="silence_not_found")
    before = repository.snapshot(row)
    repository.lift(unit, row)
    repository.note_of(unit, alert, repository.LIFTED, "")
    dispatch.unmuted_again(unit, [alert.id])
    unit.session.flush()
    unit.audit("alert.unsilence", ("alert", alert.id), before=before)
    unit.publish("alert.unsilenced", {"alert": dispatch.told_alert(alert), "silence": before})
    left = Muting.of(unit, dispatch.routing_plan(unit)).suppressing(alert.labels)
    if left:
        response.headers["Suppressed-By"] = ", ".join(left)


@router.post("/{id}/notify", status_code=202, dependencies=[OPERATOR])
@audited("alert.notify")
def notify_alert(unit: UnitOfWork, id: ResourceId) -> NotifiedOut:
    """Notify every routed channel of a firing alert now, whatever the repeat interval says.

    409 if it does not fire or is silenced; 429 if this was requested a moment ago.
    """
    alert = unit.get(Alert, id, "alert", lock=True)
    if alert.state != "firing":
        raise Conflict(f"the alert does not fire, it is {alert.state}", code="alert_not_firing")
    plan = dispatch.routing_plan(unit)
    muting = Muting.of(unit, plan)
    if by := muting.suppressing(alert.labels):
        raise Conflict(f"the alert is suppressed by {', '.join(by)}", code="alert_suppressed")
    _not_too_often(unit, alert)
    rule = unit.find(AlertRule, alert.rule_id)
    check_limit(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    made: list[Notification] = []
    done: set[str] = set()
    for destination in dispatch.routed(plan, alert.labels, () if rule is None else rule.channels):
        labels = destination.group_labels(alert.labels)
        group = dispatch.group_id(unit, destination, labels)
        for channel in dispatch.channels_named(unit, destination.channels):
            if channel.name in done:
                continue
            done.add(channel.name)
            made.append(
                dispatch.notify(
                    unit,
                    channel,
                    group,
                    labels,
                    destination.path,
                    Why.BY_HAND,
                    [alert],
                    alert_id=alert.id,
                )
            )
    alert.notified_at = unit.now()
    repository.note_of(unit, alert, "notified", f"by {unit.actor.name}")
    unit.audit("alert.notify", ("alert", alert.id), after={"channels": sorted(done)})
    shown = [SentOut(id=row.id, channel=row.channel, status=row.status) for row in made]
    return NotifiedOut(notifications=shown)


def alert_out(alert: Alert, muting: Muting) -> AlertOut:
    """An alert as clients see it."""
    live = alert.state in ("pending", "firing")
    return AlertOut(
        **{name: getattr(alert, name) for name in _SAME},
        sub_state="recovering" if alert.keeping_since is not None else None,
        value=value_of(alert.value),
        silenced=bool(muting.silences_of(alert.labels)),
        suppressed_by=muting.suppressing(alert.labels)
        if live
        else muting.silences_of(alert.labels),
    )


def value_of(text: str) -> float | str:
    """A kept value as JSON has it."""
    try:
        number = float(text)
    except ValueError:
        return text
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"


def duration_of(duration: timedelta) -> timedelta:
    """Raises `InvalidRequest` unless it is one that a silence may last."""
    try:
        return checked_duration(duration)
    except InvalidSilence as problem:
        raise invalid("/duration", str(problem)) from None


def _reason(text: str) -> str:
    try:
        return checked_reason(text)
    except InvalidSilence as problem:
        raise invalid("/reason", str(problem)) from None


def _history(unit: Unit, alert: Alert) -> list[HistoryEntry]:
    rows: Sequence[AlertChange] = _CHANGES.run(unit.session, alert_id=alert.id).scalars().all()
    return [
        HistoryEntry(
            at=r.at, type=r.type, value=value_of(r.value) if r.value else None, note=r.note
        )
        for r in rows
    ]


def _routing(
    unit: Unit, alert: Alert, rule: AlertRule | None, plan: RoutingPlan
) -> list[RoutingOut]:
    found = []
    for one in dispatch.routed(plan, alert.labels, () if rule is None else rule.channels):
        labels = one.group_labels(alert.labels)
        key = dispatch.group_id(unit, one, labels)
        group = unit.find(NotificationGroup, key)
        found.append(
            RoutingOut(
                **destination_out(one).model_dump(),
                group=key,
                group_labels=labels,
                next_flush=None if group is None else group.next_flush,
            )
        )
    return found


def _not_too_often(unit: Unit, alert: Alert) -> None:
    gap = timedelta(seconds=unit.settings.notify_gap_s)
    last = unit.session.execute(
        select(Notification.created_at)
        .where(Notification.alert_id == alert.id, Notification.created_at > unit.now() - gap)
        .order_by(Notification.created_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last is not None:
        wait = math.ceil((last + gap - unit.now()).total_seconds())
        raise RateLimited(
            f"this alert was told by hand a moment ago; again in {wait} s",
            code="notified_just_now",
            headers={"Retry-After": str(max(wait, 1))},
        )


_SAME = (
    *("id", "rule_id", "name", "state", "labels", "annotations", "service", "severity"),
    *("started_at", "fired_at", "resolved_at", "notified_at", "incident_id"),
    *("created_at", "updated_at", "version"),
)
