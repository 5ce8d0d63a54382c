"""/v1/alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, Response
from sqlalchemy import select

from novaql.server.alert_model.tables import Alert
from novaql.server.alerts import service
from novaql.server.alerts.schema import (
    AlertDetailOut,
    AlertQuery,
    AlertsOut,
    NotifiedOut,
    SentOut,
    SilenceAlert,
)
from novaql.server.alerts.showing import alert_detail, alert_out
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    Pages,
    ResourceId,
    Server,
    UnitOfWork,
)
from novaql.server.http.json_bytes import json_bytes
from novaql.server.http.pagination import Key, equal_to
from novaql.server.http.routing import api_router, audited
from novaql.server.notifications.lookup import routing_plan
from novaql.server.silences.muting import Muting
from novaql.server.silences.schema import SilenceOut

router = api_router("/v1/alerts", "alerts")

KEYS = (Key(Alert.created_at, descending=True), Key(Alert.id))


@router.get("", dependencies=[READ_ONLY])
def list_alerts(
    unit: UnitOfWork, pages: Pages, server: Server, query: Annotated[AlertQuery, Query()]
) -> AlertsOut:
    """Alerts, newest first. `firing=true` selects those that fire now.

    A page ends early if its alerts have very long labels or annotations.
    """
    where = equal_to(Alert, query, "state", "service", "severity", "name", "rule_id")
    if query.state is None:
        where.append(Alert.state != "inactive")
    if query.firing is not None:
        fires = Alert.state == "firing"
        where.append(fires if query.firing else ~fires)
    page = pages.page(unit, select(Alert).where(*where), KEYS, query)
    page = pages.first_of(page, _fitting(page.rows, server.tuning.alerts_page_text), KEYS, query)
    muting = Muting.of(unit, routing_plan(unit))
    shown = [alert_out(alert, muting) for alert in page.rows]
    return AlertsOut(data=shown, next_cursor=page.next_cursor)


def _fitting(alerts: Sequence[Alert], most: int) -> int:
    """How many of the alerts have at most that many bytes of labels and annotations as JSON, at
    least one."""
    size = 0
    for count, alert in enumerate(alerts):
        size += len(json_bytes([alert.labels, alert.annotations]))
        if count and size > most:
            return count
    return len(alerts)


@router.get("/{id}", dependencies=[READ_ONLY])
def get_alert(unit: UnitOfWork, id: ResourceId) -> AlertDetailOut:
    """One alert, with its rule, history and routing."""
    return alert_detail(unit, unit.get(Alert, id, "alert"))


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
    """Silence one alert for a duration, with a reason.

    201 for a new silence, 200 if this alert is silenced already. The id of the silence is a
    function of tenant and labels: a repeated call sets a new end and adds a revision. The alert
    continues to fire, but the server sends no notification.
    """
    row, new = service.silence(unit, id, body)
    if new:
        response.headers["Location"] = f"/v1/silences/{row.id}"
    else:
        response.status_code = 200
    return SilenceOut.of(row, unit.now())


@router.delete("/{id}/silence", status_code=204, dependencies=[OPERATOR])
@audited("alert.unsilence")
def unsilence_alert(unit: UnitOfWork, id: ResourceId, response: Response) -> None:
    """Lift the silence of this alert.

    A broader silence remains active. The alert lists it in `suppressed_by`, and this response in
    the header `Suppressed-By`.
    """
    left = service.unsilence(unit, id)
    if left:
        response.headers["Suppressed-By"] = ", ".join(left)


@router.post("/{id}/notify", status_code=202, dependencies=[OPERATOR])
@audited("alert.notify")
def notify_alert(unit: UnitOfWork, id: ResourceId) -> NotifiedOut:
    """Notify every routed channel of a firing alert now, independent of the repeat interval.

    409 if the alert does not fire or is silenced; 429 if the previous call was moments ago.
    """
    made = service.notify(unit, id)
    return NotifiedOut(notifications=[SentOut.model_validate(row) for row in made])
