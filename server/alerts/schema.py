"""Request and response models of alerts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novaql.server.alert_model.shapes import ShortText
from novaql.server.alert_rules.schema import RuleOut
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Body, Duration, Listed, ResponseModel, Timestamp, example
from novaql.server.notifications.schema import DestinationOut
from novaql.server.silences.schema import Reason

AlertState = Literal["pending", "firing", "resolved", "inactive"]


class AlertQuery(PageQuery):
    """Filters of the list. Only `state=inactive` lists alerts that ended before they fired."""

    firing: bool | None = Field(None, description="true: those that fire; false: all others")
    state: AlertState | None = Field(None, description="alerts in this state")
    service: ShortText | None = Field(None, description="alerts of this service")
    severity: ShortText | None = Field(None, description="alerts with this severity")
    name: ShortText | None = Field(None, description="alerts with this name")
    rule_id: ShortText | None = Field(None, description="alerts of the rule with this id")


class RoutingOut(DestinationOut):
    """A destination of an alert, with its last notification."""

    group: str = Field(description="filter notifications by it")
    group_labels: dict[str, str]
    next_flush: Timestamp | None = Field(description="when the group is looked at next")


class HistoryEntry(ResponseModel):
    """An entry in the history of an alert."""

    at: Timestamp
    type: str
    value: float | str | None
    note: str


class AlertOut(ResponseModel):
    """An alert. `id` is a function of tenant, rule and labels: it survives flaps and restarts."""

    id: str
    rule_id: str
    name: str
    state: AlertState
    sub_state: Literal["recovering"] | None = Field(
        description="`recovering`: its condition is over, `keep_firing_for` is not"
    )
    labels: dict[str, str]
    annotations: dict[str, str]
    value: float | str = Field(description="NaN and infinities as text")
    service: str | None
    severity: str | None
    started_at: Timestamp
    fired_at: Timestamp | None
    resolved_at: Timestamp | None
    notified_at: Timestamp | None
    silenced: bool
    suppressed_by: list[str] = Field(description="ids of silences, and of alerts that inhibit it")
    incident_id: str | None = Field(description="that it opened, or is part of, when it fired last")
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class AlertDetailOut(AlertOut):
    """An alert, with its rule, history and destinations."""

    rule: RuleOut | None = Field(description="null: it was removed")
    history: list[HistoryEntry] = Field(description="the newest first, at most 100")
    routing: list[RoutingOut]


class AlertsOut(Listed[AlertOut]):
    """A page of alerts."""


class SilenceAlert(Body):
    """The duration of a silence, and its reason."""

    model_config = example({"duration": "2h", "reason": "the disk is being replaced, see OPS-17"})

    duration: Duration | None = Field(
        None, description="1s to 366d; may be left out with `until_resolved`"
    )
    reason: Reason = Field(description="why no notification was sent")
    until_resolved: bool = Field(False, description="end it when the alert resolves")


class SentOut(ResponseModel):
    """A notification that the server created."""

    id: str
    channel: str
    status: str


class NotifiedOut(ResponseModel):
    """The created notifications, one for each routed channel."""

    notifications: list[SentOut]
