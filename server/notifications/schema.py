"""Request and response models of channels, the routing, and the notification log."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from novaql.server.alert_model.shapes import Labels, ShortText
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    URL_PATTERN,
    Body,
    Duration,
    Listed,
    Patch,
    ResponseModel,
    Timestamp,
    example,
)
from novaql.server.notifications.routing import Destination
from novaql.server.notifications.routing_config import RoutingBody
from novaql.server.notifications.tables import Notification

Url = Annotated[
    str,
    Field(
        min_length=8,
        max_length=2000,
        json_schema_extra={"pattern": URL_PATTERN},
        description="write-only: stored sealed, and shown as scheme and host",
    ),
]
Address = Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^\s,;<>@]+@[^\s,;<>@]+$")]
ChannelName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s,@][^,@]*$")]
ChannelType = Literal["webhook", "slack", "email", "sink"]
NotificationStatus = Literal["pending", "sent", "failed"]

_ROUTING: dict[str, Any] = {
    "route": {
        "channels": ["log"],
        "group_by": ["alertname"],
        "group_wait": "30s",
        "routes": [{"matchers": ['severity="page"'], "repeat_interval": "1h"}],
    },
    "inhibit_rules": [
        {
            "source_matchers": ['severity="page"'],
            "target_matchers": ['severity="ticket"'],
            "equal": ["service"],
        }
    ],
    "time_intervals": [
        {"name": "weekend", "time_intervals": [{"weekdays": ["saturday", "sunday"]}]}
    ],
}
_FILE = """route:
  receiver: ops
  group_by: [alertname]
  routes:
    - matchers: [severity="page"]
      repeat_interval: 1h
receivers:
  - name: ops
    webhook_configs:
      - url: https://192.0.43.8/alerts
"""


class WebhookSettings(Body):
    """A URL that receives notifications in the format of Alertmanager's webhook."""

    url: Url
    bearer_token: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        None, description="stored sealed, never shown"
    )


class SlackSettings(Body):
    """An incoming webhook of Slack, or of a compatible service."""

    url: Url
    channel: ShortText | None = None
    username: ShortText | None = None
    icon_emoji: ShortText | None = None


class ChangedWebhook(WebhookSettings):
    """Settings that replace the current ones. Without a URL, the current URL remains."""

    url: Url | None = None  # type: ignore[assignment]


class ChangedSlack(SlackSettings):
    """Settings that replace the current ones. Without a URL, the current URL remains."""

    url: Url | None = None  # type: ignore[assignment]


class EmailSettings(Body):
    """A mail server, and the recipients."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: int = Field(587, ge=1, le=65535)
    tls: Literal["starttls", "tls", "none"] = "starttls"
    from_: Address = Field(alias="from")
    to: Annotated[list[Address], Field(min_length=1, max_length=50)]
    username: ShortText | None = None
    password: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        None, description="stored sealed, never shown"
    )


class MakeChannel(Body):
    """A channel, with exactly the settings of its type. A `sink` has none."""

    model_config = example({"name": "log", "type": "sink"})

    name: ChannelName = Field(description="how routes and rules call it; it never changes")
    type: ChannelType
    send_resolved: bool = True
    webhook: WebhookSettings | None = None
    slack: SlackSettings | None = None
    email: EmailSettings | None = None


class ChangeChannel(Patch):
    """Changes to a channel, made from its `version`.

    Given settings replace all current ones, except that an omitted URL does not change.
    """

    model_config = example({"version": 1, "send_resolved": False})

    version: int | None = Field(None, ge=1, description="or If-Match")
    send_resolved: bool | None = None
    webhook: ChangedWebhook | None = None
    slack: ChangedSlack | None = None
    email: EmailSettings | None = None


class ChannelOut(ResponseModel):
    """A channel without its secrets."""

    settled = True

    id: str
    name: str
    type: ChannelType
    send_resolved: bool
    settings: dict[str, Any]
    secrets: list[str] = Field(description="names of the stored secrets")
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class ChannelsOut(Listed[ChannelOut]):
    """A page of channels."""


class ChannelQuery(PageQuery):
    """Filters of the list."""

    type: ChannelType | None = Field(None, description="type of the channels")


class TestedOut(ResponseModel):
    """The test notification of a channel."""

    id: str
    channel: str
    status: NotificationStatus


class SetRouting(RoutingBody):
    """The whole routing, with the `version` that a change was made from."""

    model_config = example(_ROUTING)

    version: int | None = Field(None, ge=1, description="or If-Match")


class RouteOut(ResponseModel):
    """A node of the tree, without inherited fields."""

    channels: list[str] | None = None
    matchers: list[str]
    group_by: list[str] | None = None
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    continue_: bool = Field(alias="continue")
    mute_time_intervals: list[str]
    active_time_intervals: list[str]
    routes: list[RouteOut]


class RoutingShown(ResponseModel):
    """The routing tree, inhibition rules and time intervals."""

    settled = True

    id: str | None
    route: RouteOut
    inhibit_rules: list[Any]
    time_intervals: list[Any]
    created_at: Timestamp | None
    updated_at: Timestamp | None
    version: int = Field(description="0: no tree is set, and no channel is notified")


class TryRouting(Body):
    """Labels of an alert, and optionally a proposed routing."""

    model_config = example({"labels": {"alertname": "InstanceDown", "severity": "page"}})

    labels: Labels
    config: RoutingBody | None = None


class DestinationOut(ResponseModel):
    """A node of the routing tree that is a destination of alerts."""

    route: str
    channels: list[str]
    group_by: list[str]
    group_wait: Duration
    group_interval: Duration
    repeat_interval: Duration
    mute_time_intervals: list[str]
    active_time_intervals: list[str]

    @classmethod
    def of(cls, one: Destination, **more: Any) -> Self:
        """The response model of a destination. `more` are the fields of a subclass."""
        return cls.of_row(
            one,
            route=one.path,
            mute_time_intervals=one.mute_times,
            active_time_intervals=one.active_times,
            **more,
        )


class TriedRouting(ResponseModel):
    """The destinations of such an alert."""

    destinations: list[DestinationOut]


class ImportRouting(Body):
    """The text of `alertmanager.yml`, with the `version` of the routing that it replaces."""

    model_config = example({"document": _FILE, "dry_run": True})

    document: Annotated[str, Field(min_length=1, max_length=900_000)] = Field(
        description="the YAML text, with its secrets"
    )
    version: int | None = Field(None, ge=1, description="or If-Match")
    dry_run: bool = Field(False, description="report the result, and save nothing")


class ImportedRouting(ResponseModel):
    """The result of an import."""

    routing: RoutingShown
    created: list[str] = Field(description="channels that were made")
    used: list[str] = Field(description="channels that were there already, and stay as they are")
    missing: dict[str, str] = Field(
        description="channels that could not be made, and why; the routes are without them"
    )
    dropped: list[str] = Field(description="places in the file that have no counterpart here")
    dry_run: bool


class NotificationOut(ResponseModel):
    """A message to a channel: its content, its reason, and its delivery."""

    id: str
    channel: str
    channel_type: ChannelType
    status: NotificationStatus
    why: str
    group: str
    route: str
    group_labels: dict[str, str]
    alert_id: str | None = Field(description="of one that was requested by hand")
    firing: int
    resolved: int
    total: int
    truncated: int = Field(description="alerts that are not listed, for there are too many")
    alerts: list[Any]
    message: dict[str, str] | None = Field(None, description="`title` and `text` without alerts")
    attempts: int
    error: str | None
    sent_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, row: Notification) -> NotificationOut:
        """The response model of a row."""
        content = {"message": None, **row.payload}
        return cls.of_row(row, group=row.group_id, error=row.error or None, **content)


class NotificationsOut(Listed[NotificationOut]):
    """A page of the log."""


class NotificationQuery(PageQuery):
    """Filters of the log."""

    channel: ShortText | None = Field(None, description="name of a channel")
    status: NotificationStatus | None = Field(None, description="state of the delivery")
    group: ShortText | None = Field(None, description="`group` of an alert's routing")
    alert_id: ShortText | None = Field(None, description="of those requested by hand")
    why: (
        Literal[
            "new_alerts", "all_resolved", "some_resolved", "repeat", "by_hand", "test", "runbook"
        ]
        | None
    ) = Field(None, description="why it was sent")
