"""A notification as text for mail and Slack: a title and lines."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from novaql.server.notifications.alertmanager_payload import labels_text
from novaql.server.notifications.tables import Notification

SHOWN = 20
"""The most alerts that a message lists."""


def title_of(row: Notification) -> str:
    """The title of a message: `[FIRING:2] HighErrorRate {service="api"}`, or that of its text."""
    if "message" in row.payload:
        return f"[{row.why.upper()}] {row.payload['message']['title']}"
    state = f"FIRING:{row.firing}" if row.firing else f"RESOLVED:{row.resolved}"
    names = list(dict.fromkeys(alert["name"] for alert in row.payload["alerts"]))
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    labels = {k: v for k, v in row.payload["group_labels"].items() if k != "alertname"}
    group = f" {labels_text(labels)}" if labels else ""
    return f"[{state}] {shown}{group}"


def lines_of(payload: Mapping[str, Any]) -> list[str]:
    """A line for each alert, and the number of further alerts; or the text without alerts."""
    if "message" in payload:
        return [payload["message"]["text"]]
    lines = []
    for alert in payload["alerts"][:SHOWN]:
        notes = alert["annotations"]
        labels = labels_text(alert["labels"])
        summary = notes.get("summary") or notes.get("description") or alert["name"]
        lines.append(f"{alert['state']}: {summary} {labels} = {alert['value']}")
    if (rest := payload["total"] - len(lines)) > 0:
        lines.append(f"and {rest} more")
    return lines


def slack_body(row: Notification, settings: Mapping[str, Any], link: str) -> dict[str, Any]:
    """The body for an incoming webhook of Slack, or of a compatible service.

    The footer contains the id of the notification, which identifies duplicates.
    """
    title = title_of(row)
    attachment = {
        "color": "danger" if row.firing else "good",
        "title": title,
        "fallback": title,
        "text": _escaped("\n".join(lines_of(row.payload))),
        "mrkdwn_in": ["text"],
        "footer": row.id,
    }
    if link:
        attachment["title_link"] = link
    body: dict[str, Any] = {"text": _escaped(title), "attachments": [attachment]}
    for name in ("channel", "username", "icon_emoji"):
        if settings.get(name):
            body[name] = settings[name]
    return body


def mail_of(row: Notification, settings: Mapping[str, Any]) -> EmailMessage:
    """The mail. Its Message-ID contains the id of the notification, which identifies duplicates."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(title_of(row).split())
    mail["From"] = settings["from"]
    mail["To"] = ", ".join(settings["to"])
    mail["Date"] = format_datetime(row.created_at)
    mail["Message-ID"] = f"<{row.id}@novaql>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(lines_of(row.payload)) + "\n")
    return mail


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
