"""/v1/notification-channels, and the log of notifications at /v1/notifications."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel
from sqlalchemy import select

from novaql.server.alerts import telling
from novaql.server.alerts.channel_schema import (
    ChangeChannel,
    ChannelOut,
    ChannelQuery,
    ChannelsOut,
    MakeChannel,
    NotificationOut,
    NotificationQuery,
    NotificationsOut,
    TestedOut,
)
from novaql.server.alerts.delivering import channel_url, sealed_place, secrets_of, url_place
from novaql.server.alerts.grouping import Why
from novaql.server.alerts.routing_config import channels_in
from novaql.server.alerts.tables import AlertRule, Channel, Notification
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
from novaql.server.platform.context import ServerContext
from novaql.server.platform.cursors import Key, PageQuery
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.errors import Conflict, invalid
from novaql.server.platform.ids import new_id
from novaql.server.platform.preparing import Preparation
from novaql.server.platform.redaction import is_shown_url, shown_url
from novaql.server.platform.scopes import Role
from novaql.server.platform.state.database import flushed_or
from novaql.server.platform.tables import Job
from novaql.server.platform.tenant_limits import DELIVERIES, PENDING_LIMIT, check_limit
from novaql.server.platform.unit import Unit

KEYS = (Key(Channel.created_at), Key(Channel.id))
LOG_KEYS = (Key(Notification.created_at, descending=True), Key(Notification.id, descending=True))
_SECRETS = {
    "webhook": ("bearer_token",),
    "slack": ("url",),
    "email": ("password",),
    "sink": (),
}


def list_channels(call: Call) -> Answer:
    """The channels, without their secrets."""
    query = call.query(ChannelQuery)
    statement = select(Channel)
    if query.type is not None:
        statement = statement.where(Channel.type == query.type)
    return listed(call.page(statement, KEYS), lambda row: channel_out(call, row))


def make_channel(call: Call) -> Answer:
    """Make a channel: a webhook as Alertmanager's, Slack's incoming webhook, mail, or a sink that
    is read by this API. Targets that are not public are refused."""
    row = new_channel(call, call.body(MakeChannel))
    return created(channel_out(call, row), f"/v1/notification-channels/{row.id}")


def new_channel(call: Call, body: MakeChannel) -> Channel:
    """A new channel, whose targets have been checked. Raises `Conflict` for a name that is."""
    check_limit(call, "max_channels", Channel)
    row = Channel(
        id=new_id("chan"),
        created_at=call.now(),
        updated_at=call.now(),
        version=1,
        name=body.name,
        type=body.type,
        settings={},
        sealed="",
        url="",
        send_resolved=body.send_resolved,
    )
    _set(call, row, body, needed=True)
    taken = Conflict(f"there is a channel {body.name!r} already", code="name_taken")
    with flushed_or(call.session, taken):
        call.session.add(row)
    call.audit("channel.create", ("channel", row.id), after=_snapshot(call, row))
    return row


def get_channel(call: Call) -> Answer:
    """One channel, without its secrets."""
    return ok(channel_out(call, call.get(Channel, call.name("id"), "channel")))


def change_channel(call: Call) -> Answer:
    """Change a channel, from its `version`."""
    body = call.body(ChangeChannel)
    row = call.get(Channel, call.name("id"), "channel", lock=True)
    call.expect(row, call.expected_version(body.version))
    before = _snapshot(call, row)
    if body.send_resolved is not None:
        row.send_resolved = body.send_resolved
    _set(call, row, body, needed=False)
    call.touch(row)
    call.audit("channel.update", ("channel", row.id), before=before, after=_snapshot(call, row))
    return ok(channel_out(call, row))


def delete_channel(call: Call) -> Answer:
    """Remove a channel; 409 while the routing or a rule names it."""
    row = call.get(Channel, call.name("id"), "channel", lock=True)
    if row.name in channels_in(telling.routing_plan(call).root):
        raise Conflict("the routing names the channel", code="channel_in_use")
    rules = call.session.execute(select(AlertRule.name, AlertRule.channels)).all()
    users = sorted(name for name, channels in rules if row.name in channels)
    if users:
        raise Conflict(f"the rule {users[0]!r} names the channel", code="channel_in_use")
    before = _snapshot(call, row)
    call.session.delete(row)
    call.audit("channel.delete", ("channel", row.id), before=before)
    return no_content()


def try_channel(call: Call) -> Answer:
    """Send a notification without alerts to a channel; the log tells whether it got there."""
    row = call.get(Channel, call.name("id"), "channel")
    check_limit(call, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    made = telling.notify(call, row, "test", {}, "test", Why.TEST, [])
    call.audit("channel.test", ("channel", row.id), after={"notification": made.id})
    return accepted(TestedOut(id=made.id, channel=row.name, status="pending"))


def channel_messages(call: Call) -> Answer:
    """What was sent to a channel, the newest first: how a sink is read."""
    row = call.get(Channel, call.name("id"), "channel")
    statement = select(Notification).where(Notification.channel == row.name)
    return listed(call.page(statement, LOG_KEYS), notification_out)


def list_notifications(call: Call) -> Answer:
    """The log of notifications, the newest first."""
    query = call.query(NotificationQuery)
    statement = select(Notification)
    for name in ("channel", "status", "alert_id", "why"):
        if (wanted := getattr(query, name)) is not None:
            statement = statement.where(getattr(Notification, name) == wanted)
    if query.group is not None:
        statement = statement.where(Notification.group_id == query.group)
    return listed(call.page(statement, LOG_KEYS), notification_out)


def get_notification(call: Call) -> Answer:
    """One notification, with the alerts that it told of."""
    return ok(notification_out(call.get(Notification, call.name("id"), "notification")))


def channel_out(unit: Unit, row: Channel) -> ChannelOut:
    """A channel as clients see it."""
    secrets = secrets_of(unit, row)
    url = channel_url(unit, row, secrets)
    return ChannelOut(
        id=row.id,
        name=row.name,
        type=row.type,  # type: ignore[arg-type]  # one of the four
        send_resolved=row.send_resolved,
        settings=dict(row.settings) if url is None else {**row.settings, "url": shown_url(url)},
        secrets=sorted(secrets),
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def notification_out(row: Notification) -> NotificationOut:
    """A notification as clients see it."""
    told = row.payload
    return NotificationOut.model_validate(
        {
            **{name: getattr(row, name) for name in _SAME},
            "group": row.group_id,
            "error": row.error or None,
            **{
                name: told[name]
                for name in ("route", "group_labels", "alerts", "total", "truncated")
            },
        }
    )


def _set(call: Call, row: Channel, body: MakeChannel | ChangeChannel, *, needed: bool) -> None:
    """Take the settings of the channel's type, and refuse those of others."""
    for kind in ("webhook", "slack", "email"):
        given: BaseModel | None = getattr(body, kind)
        if kind != row.type:
            if given is not None:
                raise invalid(f"/{kind}", f"a channel of type {row.type} has no such settings")
            continue
        if given is None:
            if needed:
                raise invalid(f"/{kind}", "the settings of the type are needed")
            continue
        settings = given.model_dump(mode="json", exclude_none=True)
        secrets = {name: settings.pop(name) for name in _SECRETS[kind] if name in settings}
        if kind == "webhook" and "url" in settings:
            row.url = call.seal_url(settings.pop("url"), url_place(row.id), row.url)
        if kind == "slack" and "url" not in secrets:
            secrets["url"] = secrets_of(call, row)["url"]
        row.settings = settings
        row.sealed = (
            call.seal(orjson.dumps(secrets).decode(), sealed_place(row.id)) if secrets else ""
        )


def check_channel(context: ServerContext, body: MakeChannel | ChangeChannel) -> None:
    """Raises what is wrong with where a channel leads. It looks names up: not in a transaction."""
    dialer = context.dialer
    for one in (body.webhook, body.slack):
        if one is None or one.url is None:
            continue
        if is_shown_url(one.url):
            kind = "slack" if one is body.slack else "webhook"
            raise invalid(f"/{kind}/url", "this is how a URL is shown; leave it out to keep it")
        dialer.check_url(one.url)
    mail = body.email
    if mail is None:
        return
    if mail.username and mail.tls == "none":
        raise invalid("/email/tls", "a password is not sent without tls")
    dialer.check_host(mail.host, mail.port)


def _check_channel(asked: Preparation) -> None:
    check_channel(asked.context, asked.body)


def _snapshot(call: Call, row: Channel) -> dict[str, Any]:
    """A channel as the audit log shows it: that a secret changed, not what it is."""
    shown = channel_out(call, row).model_dump(mode="json")
    return {**shown, "secret": row.sealed, "secret_url": row.url}


_SAME = (
    *("id", "channel", "channel_type", "status", "why", "alert_id", "firing", "resolved"),
    *("attempts", "sent_at", "created_at", "updated_at", "version"),
)

_AT, _ONE = "/v1/notification-channels", "/v1/notification-channels/{id}"

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        _AT,
        list_channels,
        role=Role.READ_ONLY,
        tag="alerts",
        query=ChannelQuery,
        answer=ChannelsOut,
        steady=True,
    ),
    operation(
        "POST",
        _AT,
        make_channel,
        role=Role.ADMIN,
        tag="alerts",
        action="channel.create",
        body=MakeChannel,
        prepare=_check_channel,
        answer=ChannelOut,
        success=201,
        example={"name": "log", "type": "sink"},
    ),
    operation(
        "GET",
        _ONE,
        get_channel,
        role=Role.READ_ONLY,
        tag="alerts",
        answer=ChannelOut,
        steady=True,
    ),
    operation(
        "PATCH",
        _ONE,
        change_channel,
        role=Role.ADMIN,
        tag="alerts",
        action="channel.update",
        body=ChangeChannel,
        prepare=_check_channel,
        answer=ChannelOut,
        errors=(409, 422),
        example={"version": 1, "send_resolved": False},
    ),
    operation(
        "DELETE",
        _ONE,
        delete_channel,
        role=Role.ADMIN,
        tag="alerts",
        action="channel.delete",
        success=204,
        errors=(409,),
    ),
    operation(
        "POST",
        _ONE + "/test",
        try_channel,
        role=Role.ADMIN,
        tag="alerts",
        action="channel.test",
        answer=TestedOut,
        success=202,
    ),
    operation(
        "GET",
        _ONE + "/messages",
        channel_messages,
        role=Role.READ_ONLY,
        tag="alerts",
        query=PageQuery,
        answer=NotificationsOut,
    ),
    operation(
        "GET",
        "/v1/notifications",
        list_notifications,
        role=Role.READ_ONLY,
        tag="alerts",
        query=NotificationQuery,
        answer=NotificationsOut,
        steady=True,
    ),
    operation(
        "GET",
        "/v1/notifications/{id}",
        get_notification,
        role=Role.READ_ONLY,
        tag="alerts",
        answer=NotificationOut,
        steady=True,
    ),
)
