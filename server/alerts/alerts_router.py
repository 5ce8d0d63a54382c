"""/v1/alerts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, select

from novaql.server.alerts import silencing, telling
from novaql.server.alerts.alert_schema import (
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
from novaql.server.alerts.grouping import Why
from novaql.server.alerts.routing_config import RoutingPlan
from novaql.server.alerts.rules_router import destination_out, shown_rules
from novaql.server.alerts.silences import InvalidSilence, checked_duration, checked_reason
from novaql.server.alerts.silences_router import silence_out
from novaql.server.alerts.tables import (
    Alert,
    AlertChange,
    AlertRule,
    Notification,
    NotificationGroup,
)
from novaql.server.alerts.telling import Muting
from novaql.server.platform.calls import (
    Answer,
    Call,
    accepted,
    created,
    listed,
    no_content,
    ok,
    operation,
)
from novaql.server.platform.cursors import Key
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.errors import Conflict, NotFound, RateLimited, invalid
from novaql.server.platform.scopes import Role
from novaql.server.platform.state.scoped import Prepared
from novaql.server.platform.tables import Job
from novaql.server.platform.tenant_limits import DELIVERIES, PENDING_LIMIT, check_limit

KEYS = (Key(Alert.created_at, descending=True), Key(Alert.id))
HISTORY = 100
_CHANGES = Prepared(
    select(AlertChange)
    .where(AlertChange.alert_id == bindparam("alert_id"))
    .order_by(AlertChange.at.desc(), AlertChange.id.desc())
    .limit(HISTORY)
)


def list_alerts(call: Call) -> Answer:
    """Alerts, the newest first: `firing=true` for those that fire now."""
    query = call.query(AlertQuery)
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
    page = call.page(statement, KEYS)
    muting = Muting.of(call, telling.routing_plan(call))
    return listed(page, lambda alert: alert_out(alert, muting))


def get_alert(call: Call) -> Answer:
    """One alert with its rule, its history, and where it is told."""
    alert = call.get(Alert, call.name("id"), "alert")
    plan = telling.routing_plan(call)
    muting = Muting.of(call, plan)
    rule = call.find(AlertRule, alert.rule_id)
    return ok(
        AlertDetailOut(
            **alert_out(alert, muting).model_dump(),
            rule=None if rule is None else shown_rules(call, [rule], plan)[0],
            history=_history(call, alert),
            routing=_routing(call, alert, rule, plan),
        )
    )


def silence_alert(call: Call) -> Answer:
    """Silence one alert, for a duration, with a reason: 201, or 200 if it was silenced already.

    The id of the silence is a function of tenant and labels; saying it again sets a new end and
    adds a revision. The alert goes on firing, and nobody is told.
    """
    body = call.body(SilenceAlert)
    alert = call.get(Alert, call.name("id"), "alert", lock=True)
    reason, ends_at = _reason(body.reason), None
    if body.duration is not None:
        ends_at = call.now() + duration_of(body.duration)
    elif not body.until_resolved:
        raise invalid("/duration", "a duration is needed, or until_resolved")
    if body.until_resolved and alert.state not in ("pending", "firing"):
        raise Conflict("the alert is over, so it cannot resolve", code="alert_resolved")
    row, new = silencing.silence_alert(
        call, alert, ends_at, reason, until_resolved=body.until_resolved
    )
    call.session.flush()
    call.audit("alert.silence", ("alert", alert.id), after=silencing.snapshot(row))
    call.publish(
        "alert.silenced",
        {"alert": telling.told_alert(alert), "silence": silencing.snapshot(row)},
    )
    shown = silence_out(row, call.now())
    return created(shown, f"/v1/silences/{row.id}") if new else ok(shown)


def unsilence_alert(call: Call) -> Answer:
    """Lift the silence that was made for this alert.

    A broader one goes on: the alert then shows it in `suppressed_by`, and this answer in the
    header `Suppressed-By`.
    """
    alert = call.get(Alert, call.name("id"), "alert", lock=True)
    row = silencing.of_alert(call, alert.id)
    if row is None:
        raise NotFound(f"Alert {alert.id} has no silence of its own.", code="silence_not_found")
    before = silencing.snapshot(row)
    silencing.lift(call, row)
    silencing.note_of(call, alert, silencing.LIFTED, "")
    telling.unmuted_again(call, [alert.id])
    call.session.flush()
    call.audit("alert.unsilence", ("alert", alert.id), before=before)
    call.publish("alert.unsilenced", {"alert": telling.told_alert(alert), "silence": before})
    answer = no_content()
    left = Muting.of(call, telling.routing_plan(call)).suppressing(alert.labels)
    return Answer(204, headers={"Suppressed-By": ", ".join(left)}) if left else answer


def notify_alert(call: Call) -> Answer:
    """Tell every routed channel of a firing alert now, whatever the repeat interval says.

    409 if it does not fire or is silenced; 429 if it was asked for a moment ago.
    """
    alert = call.get(Alert, call.name("id"), "alert", lock=True)
    if alert.state != "firing":
        raise Conflict(f"the alert does not fire, it is {alert.state}", code="alert_not_firing")
    plan = telling.routing_plan(call)
    muting = Muting.of(call, plan)
    if by := muting.suppressing(alert.labels):
        raise Conflict(f"the alert is suppressed by {', '.join(by)}", code="alert_suppressed")
    _not_too_often(call, alert)
    rule = call.find(AlertRule, alert.rule_id)
    check_limit(call, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    made: list[Notification] = []
    done: set[str] = set()
    for destination in telling.routed(plan, alert.labels, () if rule is None else rule.channels):
        labels = destination.group_labels(alert.labels)
        group = telling.group_id(call, destination, labels)
        for channel in telling.channels_named(call, destination.channels):
            if channel.name in done:
                continue
            done.add(channel.name)
            made.append(
                telling.notify(
                    call,
                    channel,
                    group,
                    labels,
                    destination.path,
                    Why.BY_HAND,
                    [alert],
                    alert_id=alert.id,
                )
            )
    alert.notified_at = call.now()
    silencing.note_of(call, alert, "notified", f"by {call.actor.name}")
    call.audit("alert.notify", ("alert", alert.id), after={"channels": sorted(done)})
    shown = [SentOut(id=row.id, channel=row.channel, status=row.status) for row in made]
    return accepted(NotifiedOut(notifications=shown))


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


def _history(call: Call, alert: Alert) -> list[HistoryEntry]:
    rows: Sequence[AlertChange] = _CHANGES.run(call.session, alert_id=alert.id).scalars().all()
    return [
        HistoryEntry(
            at=r.at, type=r.type, value=value_of(r.value) if r.value else None, note=r.note
        )
        for r in rows
    ]


def _routing(
    call: Call, alert: Alert, rule: AlertRule | None, plan: RoutingPlan
) -> list[RoutingOut]:
    found = []
    for one in telling.routed(plan, alert.labels, () if rule is None else rule.channels):
        labels = one.group_labels(alert.labels)
        key = telling.group_id(call, one, labels)
        group = call.find(NotificationGroup, key)
        found.append(
            RoutingOut(
                **destination_out(one).model_dump(),
                group=key,
                group_labels=labels,
                next_flush=None if group is None else group.next_flush,
            )
        )
    return found


def _not_too_often(call: Call, alert: Alert) -> None:
    gap = timedelta(seconds=call.context.settings.notify_gap_s)
    last = call.session.execute(
        select(Notification.created_at)
        .where(Notification.alert_id == alert.id, Notification.created_at > call.now() - gap)
        .order_by(Notification.created_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last is not None:
        wait = math.ceil((last + gap - call.now()).total_seconds())
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

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/alerts",
        list_alerts,
        role=Role.READ_ONLY,
        tag="alerts",
        query=AlertQuery,
        answer=AlertsOut,
    ),
    operation(
        "GET",
        "/v1/alerts/{id}",
        get_alert,
        role=Role.READ_ONLY,
        tag="alerts",
        answer=AlertDetailOut,
    ),
    operation(
        "POST",
        "/v1/alerts/{id}/silence",
        silence_alert,
        role=Role.OPERATOR,
        tag="alerts",
        action="alert.silence",
        body=SilenceAlert,
        answer=SilenceOut,
        success=201,
        answers={200: SilenceOut},
        example={"duration": "2h", "reason": "the disk is being replaced, see OPS-17"},
    ),
    operation(
        "DELETE",
        "/v1/alerts/{id}/silence",
        unsilence_alert,
        role=Role.OPERATOR,
        tag="alerts",
        action="alert.unsilence",
        success=204,
    ),
    operation(
        "POST",
        "/v1/alerts/{id}/notify",
        notify_alert,
        role=Role.OPERATOR,
        tag="alerts",
        action="alert.notify",
        answer=NotifiedOut,
        success=202,
    ),
)
