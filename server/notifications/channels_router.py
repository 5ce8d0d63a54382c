"""/v1/notification-channels, and the notification log at /v1/notifications."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Response
from sqlalchemy import ColumnElement, select

from novaql.server.db.unit import Unit
from novaql.server.http.dependencies import ADMIN, READ_ONLY, IfMatch, Pages, ResourceId, UnitOfWork
from novaql.server.http.pagination import Key, PageQuery, Pager, equal_to
from novaql.server.http.preparing import checked
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.notifications import channels_service as service
from novaql.server.notifications.channels_service import channel_out
from novaql.server.notifications.schema import (
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
from novaql.server.notifications.tables import Channel, Notification

router = api_router("/v1/notification-channels", "alerts")
log_router = api_router("/v1/notifications", "alerts")

KEYS = (Key(Channel.created_at), Key(Channel.id))
LOG_KEYS = (Key(Notification.created_at, descending=True), Key(Notification.id, descending=True))


async def checked_channel(request: Request, body: MakeChannel) -> None:
    """Check the targets of a new channel."""
    await checked(request, body, lambda run: service.check_targets(run.context, body))


async def checked_change(request: Request, _seen: IfMatch, body: ChangeChannel) -> None:
    """Check the targets of a changed channel, after If-Match is read."""
    await checked(request, body, lambda run: service.check_targets(run.context, body))


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_channels(
    unit: UnitOfWork, pages: Pages, query: Annotated[ChannelQuery, Query()]
) -> ChannelsOut:
    """The channels, without their secrets."""
    statement = select(Channel).where(*equal_to(Channel, query, "type"))
    page = pages.page(unit, statement, KEYS, query)
    shown = [channel_out(unit, row) for row in page.rows]
    return ChannelsOut(data=shown, next_cursor=page.next_cursor)


@router.post("", status_code=201, dependencies=[ADMIN, Depends(checked_channel)])
@audited("channel.create")
def create_channel(unit: UnitOfWork, body: MakeChannel, response: Response) -> ChannelOut:
    """Create a notification channel.

    Its type is a webhook in the format of Alertmanager, an incoming webhook of Slack, mail, or a
    sink, whose messages this API returns. The server rejects targets that are not public.
    """
    row = service.create(unit, body)
    response.headers["Location"] = f"/v1/notification-channels/{row.id}"
    return channel_out(unit, row)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_channel(unit: UnitOfWork, id: ResourceId) -> ChannelOut:
    """One channel, without its secrets."""
    return channel_out(unit, unit.get(Channel, id, "channel"))


@router.patch(
    "/{id}",
    dependencies=[ADMIN, Depends(checked_change)],
    responses={409: {}, 422: {}},
)
@audited("channel.update")
def change_channel(
    unit: UnitOfWork, id: ResourceId, body: ChangeChannel, seen: IfMatch
) -> ChannelOut:
    """Change a channel, from its `version`."""
    return channel_out(unit, service.change(unit, id, body, seen))


@router.delete("/{id}", status_code=204, dependencies=[ADMIN], responses={409: {}})
@audited("channel.delete")
def delete_channel(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete a channel. 409 while the routing or a rule names it."""
    service.remove(unit, id)


@router.post("/{id}/test", status_code=202, dependencies=[ADMIN])
@audited("channel.test")
def try_channel(unit: UnitOfWork, id: ResourceId) -> TestedOut:
    """Send a test notification to a channel. The notification log shows its delivery."""
    return TestedOut.model_validate(service.send_test(unit, id))


@router.get("/{id}/messages", dependencies=[READ_ONLY])
def list_channel_messages(
    unit: UnitOfWork, pages: Pages, id: ResourceId, query: Annotated[PageQuery, Query()]
) -> NotificationsOut:
    """The notifications to one channel, newest first. This is how a client reads a sink."""
    channel = unit.get(Channel, id, "channel")
    return _page(unit, pages, query, [Notification.channel == channel.name])


@log_router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_notifications(
    unit: UnitOfWork, pages: Pages, query: Annotated[NotificationQuery, Query()]
) -> NotificationsOut:
    """The notification log, newest first."""
    where = equal_to(Notification, query, "channel", "status", "alert_id", "why")
    if query.group is not None:
        where.append(Notification.group_id == query.group)
    return _page(unit, pages, query, where)


@log_router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_notification(unit: UnitOfWork, id: ResourceId) -> NotificationOut:
    """One notification, with its alerts."""
    return NotificationOut.of(unit.get(Notification, id, "notification"))


def _page(
    unit: Unit, pages: Pager, query: PageQuery, where: list[ColumnElement[bool]]
) -> NotificationsOut:
    page = pages.page(unit, select(Notification).where(*where), LOG_KEYS, query)
    shown = [NotificationOut.of(row) for row in page.rows]
    return NotificationsOut(data=shown, next_cursor=page.next_cursor)
