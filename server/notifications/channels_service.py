"""Use cases of notification channels and of the notification log."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
from pydantic import BaseModel
from sqlalchemy import select

from novaql.server.alert_model.tables import AlertRule
from novaql.server.crypto.redaction import is_shown_url, shown_url
from novaql.server.db.engine import flushed_or
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import DELIVERIES, PENDING_LIMIT, check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, invalid
from novaql.server.ids import new_id
from novaql.server.notifications.delivery import channel_url, sealed_place, secrets_of, url_place
from novaql.server.notifications.dispatch import notify
from novaql.server.notifications.grouping import Reason
from novaql.server.notifications.lookup import routing_plan
from novaql.server.notifications.routing_config import channels_in
from novaql.server.notifications.schema import ChangeChannel, ChannelOut, MakeChannel
from novaql.server.notifications.tables import Channel, Notification
from novaql.server.tenants.context import ServerContext

_SECRETS = {"webhook": ("bearer_token",), "slack": ("url",), "email": ("password",)}


def create(unit: Unit, body: MakeChannel) -> Channel:
    """Create a channel with checked targets. Raises `Conflict` if the name is taken."""
    check_limit(unit, "max_channels", Channel)
    row = Channel(
        id=new_id("chan"),
        created_at=unit.now(),
        name=body.name,
        type=body.type,
        settings={},
        sealed="",
        url="",
        send_resolved=body.send_resolved,
    )
    _set(unit, row, body, needed=True)
    taken = Conflict(f"there is a channel {body.name!r} already", code="name_taken")
    with flushed_or(unit.session, taken):
        unit.session.add(row)
    unit.record(row, "channel.create", None, partial(_snapshot, unit))
    return row


def change(unit: Unit, channel_id: str, body: ChangeChannel, seen: int | None) -> Channel:
    """Change a channel with checked targets. `seen` is the version of If-Match."""
    row = unit.get(Channel, channel_id, "channel", lock=True)
    unit.expect(row, body.version if seen is None else seen)
    before = _snapshot(unit, row)
    if body.send_resolved is not None:
        row.send_resolved = body.send_resolved
    _set(unit, row, body, needed=False)
    unit.record(row, "channel.update", before, partial(_snapshot, unit))
    return row


def remove(unit: Unit, channel_id: str) -> None:
    """Delete a channel. Raises `Conflict` while the routing or a rule names it."""
    row = unit.get(Channel, channel_id, "channel", lock=True)
    if row.name in channels_in(routing_plan(unit).root):
        raise Conflict("the routing names the channel", code="channel_in_use")
    rules = unit.session.execute(select(AlertRule.name, AlertRule.channels)).all()
    users = sorted(name for name, channels in rules if row.name in channels)
    if users:
        raise Conflict(f"the rule {users[0]!r} names the channel", code="channel_in_use")
    before = _snapshot(unit, row)
    unit.session.delete(row)
    unit.audit("channel.delete", ("channel", row.id), before=before)


def send_test(unit: Unit, channel_id: str) -> Notification:
    """Create a notification without alerts for the channel."""
    row = unit.get(Channel, channel_id, "channel")
    check_limit(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    made = notify(unit, row, "test", {}, "test", Reason.TEST, [])
    unit.audit("channel.test", ("channel", row.id), after={"notification": made.id})
    return made


def channel_out(unit: Unit, row: Channel) -> ChannelOut:
    """The response model of a channel."""
    secrets = secrets_of(unit, row)
    url = channel_url(unit, row, secrets)
    settings = row.settings if url is None else {**row.settings, "url": shown_url(url)}
    return ChannelOut.of_row(row, settings=settings, secrets=sorted(secrets))


def check_targets(context: ServerContext, body: MakeChannel | ChangeChannel) -> None:
    """Raise if a target of a channel is not allowed. Not in a transaction: it resolves names."""
    dialer = context.dialer
    for one in (body.webhook, body.slack):
        if one is None or one.url is None:
            continue
        if is_shown_url(one.url):
            kind = "slack" if one is body.slack else "webhook"
            raise invalid(
                f"/{kind}/url", "this is a redacted URL; omit it to retain the stored one"
            )
        dialer.check_url(one.url)
    mail = body.email
    if mail is None:
        return
    if mail.username and mail.tls == "none":
        raise invalid("/email/tls", "a password is not sent without tls")
    dialer.check_host(mail.host, mail.port)


def _set(unit: Unit, row: Channel, body: MakeChannel | ChangeChannel, *, needed: bool) -> None:
    """Set the settings of the channel's type. Raises `InvalidRequest` for those of other types."""
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
            row.url = unit.seal_url(settings.pop("url"), url_place(row.id), row.url)
        if kind == "slack" and "url" not in secrets:
            secrets["url"] = secrets_of(unit, row)["url"]
        row.settings = settings
        row.sealed = (
            unit.seal(orjson.dumps(secrets).decode(), sealed_place(row.id)) if secrets else ""
        )


def _snapshot(unit: Unit, row: Channel) -> dict[str, Any]:
    """A channel as the audit log stores it: it shows that a secret changed, but not the secret."""
    shown = channel_out(unit, row).model_dump(mode="json")
    return {**shown, "secret": row.sealed, "secret_url": row.url}
