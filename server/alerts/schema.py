"""Wire shapes of alerts and silences."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from novaql.server.alert_rules.schema import DestinationOut, RuleOut, ShortText
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Body, Duration, Listed, Shown, Timestamp

AlertState = Literal["pending", "firing", "resolved", "inactive"]
Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]


class AlertQuery(PageQuery):
    """Filters of the list. Alerts that went away before they fired are listed when asked for."""

    firing: bool | None = Field(None, description="true: those that fire; false: all others")
    state: AlertState | None = Field(None, description="alerts in this state")
    service: ShortText | None = Field(None, description="alerts of this service")
    severity: ShortText | None = Field(None, description="alerts with this severity")
    name: ShortText | None = Field(None, description="alerts with this name")
    rule_id: ShortText | None = Field(None, description="alerts of the rule with this id")


class RoutingOut(DestinationOut):
    """Where an alert goes, and what was told there."""

    group: str = Field(description="filter notifications by it")
    group_labels: dict[str, str]
    next_flush: Timestamp | None = Field(description="when the group is looked at next")


class HistoryEntry(Shown):
    """Something that happened to an alert."""

    at: Timestamp
    type: str
    value: float | str | None
    note: str


class AlertOut(Shown):
    """An alert. `id` is a function of tenant, rule and labels: it stays over flaps and restarts."""

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
    """An alert with its rule, its history and where it goes."""

    rule: RuleOut | None = Field(description="null: it was removed")
    history: list[HistoryEntry] = Field(description="the newest first, at most 100")
    routing: list[RoutingOut]


class AlertsOut(Listed[AlertOut]):
    """A page of alerts."""


class SilenceAlert(Body):
    """How long, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"duration": "2h", "reason": "the disk is being replaced, see OPS-17"},
            ]
        }
    )

    duration: Duration | None = Field(
        None, description="1s to 366d; may be left out with `until_resolved`"
    )
    reason: Reason = Field(description="for whoever wonders why nobody was called")
    until_resolved: bool = Field(False, description="end it when the alert resolves")


class MatcherBody(Body):
    """A condition on a label."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    op: Literal["=", "!=", "=~", "!~"] = "="
    value: Annotated[str, Field(max_length=1000)]


class MakeSilence(Body):
    """What to silence, from when, until when, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "matchers": [{"name": "provider", "value": "payments"}],
                    "duration": "1h",
                    "reason": "maintenance of the payment provider",
                }
            ]
        }
    )

    matchers: Annotated[list[MatcherBody], Field(min_length=1, max_length=50)]
    starts_at: Timestamp | None = Field(None, description="absent: now")
    ends_at: Timestamp | None = None
    duration: Duration | None = Field(None, description="in place of `ends_at`: 1s to 366d")
    reason: Reason


class MatcherOut(Shown):
    """A condition on a label."""

    name: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str


class RevisionOut(Shown):
    """What a silence said."""

    number: int
    starts_at: Timestamp
    ends_at: Timestamp | None
    reason: str
    created_by: str
    made_at: Timestamp


class SilenceOut(Shown):
    """A silence. `id` is a function of tenant and matchers."""

    id: str
    alert_id: str | None = Field(description="the alert that it was made for")
    matchers: list[MatcherOut]
    state: Literal["pending", "active", "expired"]
    starts_at: Timestamp
    ends_at: Timestamp | None = Field(description="null: when the alert resolves")
    until_resolved: bool
    lifted_at: Timestamp | None
    reason: str
    created_by: str
    revision: int
    revisions: list[RevisionOut]
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class SilenceQuery(PageQuery):
    """Filters of the list."""

    state: Literal["pending", "active", "expired"] | None = Field(
        None, description="silences in this state"
    )
    alert_id: ShortText | None = Field(
        None, description="the silences that were made for the alert with this id"
    )


class SilencesOut(Listed[SilenceOut]):
    """A page of silences."""


class SentOut(Shown):
    """A notification that was made."""

    id: str
    channel: str
    status: str


class NotifiedOut(Shown):
    """The notifications, one for each routed channel."""

    notifications: list[SentOut]
