"""A notification as text for mail and Slack: a title and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.notifications.alertmanager_payload import labels_text
from novaql.server.notifications.tables import Notification

SHOWN = 20
"""The most alerts that a message lists."""


@dataclass(frozen=True, slots=True)
class Text:
    """A message before it is formatted for a channel: its id, title, lines and time."""

    id: str
    title: str
    lines: Sequence[str]
    at: datetime


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
    text = Text(row.id, title_of(row), lines_of(row.payload), row.created_at)
    return slack_message(text, settings, link, color="danger" if row.firing else "good")


def slack_message(
    text: Text, settings: Mapping[str, Any], link: str, *, color: str
) -> dict[str, Any]:
    """A text as a body for Slack, with its id as footer."""
    attachment = {
        "color": color,
        "title": text.title,
        "fallback": text.title,
        "text": _escaped("\n".join(text.lines)),
        "mrkdwn_in": ["text"],
        "footer": text.id,
    }
    if link:
        attachment["title_link"] = link
    body: dict[str, Any] = {"text": _escaped(text.title), "attachments": [attachment]}
    for name in ("channel", "username", "icon_emoji"):
        if settings.get(name):
            body[name] = settings[name]
    return body


def mail_of(row: Notification, settings: Mapping[str, Any]) -> EmailMessage:
    """The mail. Its Message-ID contains the id of the notification, which identifies duplicates."""
    text = Text(row.id, title_of(row), lines_of(row.payload), row.created_at)
    return mail_message(text, settings)


def mail_message(text: Text, settings: Mapping[str, Any]) -> EmailMessage:
    """A text as a mail, with its id in the Message-ID."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(text.title.split())
    mail["From"] = settings["from"]
    mail["To"] = ", ".join(settings["to"])
    mail["Date"] = format_datetime(text.at)
    mail["Message-ID"] = f"<{text.id}@novaql>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(text.lines) + "\n")
    return mail


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
