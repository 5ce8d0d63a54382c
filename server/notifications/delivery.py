"""Delivery of notifications to their channels, with retries.

If the process dies after it sends a message and before it commits the result, the next attempt
sends the message again. The message carries the id of the notification, so that the receiver can
drop the duplicate. The sink is in the database and receives each notification once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import select

from novaql.server.alert_model.tables import AlertRule
from novaql.server.clock import rfc3339
from novaql.server.crypto.redaction import without_secrets
from novaql.server.db.unit import Unit
from novaql.server.egress.dialer import Dialer
from novaql.server.egress.outgoing import post
from novaql.server.http.json_bytes import json_bytes
from novaql.server.jobs.runner import JobRun
from novaql.server.notifications.alertmanager_payload import webhook_payload
from novaql.server.notifications.mail import NotDelivered, send_mail
from novaql.server.notifications.messages import mail_of, slack_body
from novaql.server.notifications.tables import Channel, Notification, NotificationGroup
from novaql.server.tenants.context import ServerContext

WAITS_S = (5, 15, 60, 300, 900, 1800, 3600)
"""Seconds between attempts. After the last attempt the delivery is given up."""

TIMEOUT_S = 15.0
AGENT = "NovaQL-Alerts/1"


def deliver(job: JobRun) -> None:
    """Attempt to deliver the notification whose id is the job's key."""
    with job.read() as unit:
        row = unit.find(Notification, job.key)
        if row is None or row.status != "pending":
            return
        of_name = select(Channel).where(Channel.name == row.channel)
        channel = unit.session.execute(of_name).scalar_one_or_none()
        secrets = {} if channel is None else all_secrets(unit, channel)
        expressions = _expressions(unit, row)
    problem: NotDelivered | None = None
    note = ""
    try:
        note = send(job.context, channel, secrets, row, expressions)
    except NotDelivered as found:
        problem = found
    tried = row.attempts + 1
    lasting = problem is not None and (problem.lasting or tried > len(WAITS_S))
    again = problem is not None and not lasting
    now = job.context.clock.now()
    wait = timedelta(seconds=WAITS_S[min(tried, len(WAITS_S)) - 1])
    with job.finish(again_at=now + wait if again else None) as unit:
        current = unit.find(Notification, row.id, lock=True)
        if current is None:
            return
        current.attempts = tried
        current.error = (note if problem is None else str(problem))[:2000]
        unit.touch(current)
        if problem is None:
            current.status, current.sent_at = "sent", unit.now()
        elif lasting:
            current.status = "failed"
            _reset_notified(unit, current)
            unit.publish(
                "alert.notification_failed",
                {"id": current.id, "channel": current.channel, "error": current.error},
            )


def send(
    context: ServerContext,
    channel: Channel | None,
    secrets: Mapping[str, str],
    row: Notification,
    expressions: Mapping[str, str],
) -> str:
    """Send a notification to its channel. Returns a note if the server refused some recipients.

    Raises `NotDelivered`.
    """
    if channel is None:
        raise NotDelivered("the channel was deleted", lasting=True)
    settings, url = channel.settings, context.settings.public_url
    match channel.type:
        case "sink":
            pass
        case "webhook":
            body = webhook_payload(row, url, expressions)
            post_json(context.dialer, secrets, body, {"X-Notification-Id": row.id})
        case "slack":
            text = slack_body(row, settings, url)
            post_json(context.dialer, secrets, text, {"X-Notification-Id": row.id})
        case "email":
            return send_mail(context, settings, secrets, mail_of(row, settings))
        case other:
            raise NotDelivered(f"there is no channel of type {other}", lasting=True)
    return ""


def secrets_of(unit: Unit, channel: Channel) -> dict[str, str]:
    """Unseal the secrets of a channel except a webhook URL: Slack's URL, a token, a password."""
    if not channel.sealed:
        return {}
    found: dict[str, str] = orjson.loads(unit.unseal(channel.sealed, sealed_place(channel.id)))
    return found


def all_secrets(unit: Unit, channel: Channel) -> dict[str, str]:
    """Unseal all secrets of a channel, with its URL as `url`."""
    secrets = secrets_of(unit, channel)
    url = channel_url(unit, channel, secrets)
    return secrets if url is None else {**secrets, "url": url}


def channel_url(unit: Unit, channel: Channel, secrets: Mapping[str, str]) -> str | None:
    """The full URL that a channel posts to, or None."""
    if channel.url:
        return unit.open_url(channel.url, url_place(channel.id))
    return secrets.get("url")


def url_place(channel_id: str) -> str:
    """The name under which the URL of a webhook is sealed."""
    return f"channel:{channel_id}:url"


def sealed_place(channel_id: str) -> str:
    """The name under which the secrets of a channel are sealed."""
    return f"channel:{channel_id}:secrets"


def post_json(
    dialer: Dialer, secrets: Mapping[str, str], body: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    """Post a body to `url` of the secrets, with its `bearer_token`. Raises `NotDelivered`."""
    usual = {"Content-Type": "application/json", "User-Agent": AGENT, **headers}
    if token := secrets.get("bearer_token"):
        usual["Authorization"] = f"Bearer {token}"
    answer = post(dialer, secrets["url"], json_bytes(body), usual, timeout_s=TIMEOUT_S)
    if answer.delivered:
        return
    if answer.status is None:
        raise NotDelivered(answer.error or "no answer")
    refused = 400 <= answer.status < 500 and answer.status not in (408, 425, 429)
    excerpt = without_secrets(answer.excerpt, secrets)
    raise NotDelivered(f"it answered {answer.status}: {excerpt}"[:500], lasting=refused)


def _reset_notified(unit: Unit, row: Notification) -> None:
    """After a failed delivery, make the next flush of the group notify the channel again."""
    group = unit.find(NotificationGroup, row.group_id, lock=True)
    last = None if group is None else group.notified.get(row.channel)
    if group is not None and last is not None and last["at"] == rfc3339(row.created_at):
        group.notified = {name: one for name, one in group.notified.items() if name != row.channel}


def _expressions(unit: Unit, notification: Notification) -> dict[str, str]:
    ids = sorted({alert["rule_id"] for alert in notification.payload["alerts"]})
    statement = select(AlertRule.id, AlertRule.expr).where(AlertRule.id.in_(ids))
    return {row[0]: row[1] for row in unit.session.execute(statement).all()}
