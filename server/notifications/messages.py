"""A notification as people read it: a title, and lines; for mail and for Slack."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from novaql.server.notifications.alertmanager_payload import labels_text

SHOWN = 20
"""So many alerts are listed in a message for people."""


def title_of(payload: Mapping[str, Any], firing: int, resolved: int) -> str:
    """`[FIRING:2] HighErrorRate {service="api"}`."""
    state = f"FIRING:{firing}" if firing else f"RESOLVED:{resolved}"
    names = list(dict.fromkeys(alert["name"] for alert in payload["alerts"]))
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    labels = {k: v for k, v in payload["group_labels"].items() if k != "alertname"}
    group = f" {labels_text(labels)}" if labels else ""
    return f"[{state}] {shown}{group}"


def lines_of(payload: Mapping[str, Any]) -> list[str]:
    """A line for each alert, and how many more there are."""
    lines = []
    for alert in payload["alerts"][:SHOWN]:
        notes = alert["annotations"]
        said = notes.get("summary") or notes.get("description") or alert["name"]
        lines.append(f"{alert['state']}: {said} {labels_text(alert['labels'])} = {alert['value']}")
    if (rest := payload["total"] - len(lines)) > 0:
        lines.append(f"and {rest} more")
    return lines


def slack_body(
    payload: Mapping[str, Any],
    firing: int,
    resolved: int,
    settings: Mapping[str, Any],
    link: str,
    notification_id: str,
) -> dict[str, Any]:
    """The body of an incoming webhook of Slack, and of what behaves like it.

    The notification's id stands below the message: one that is sent twice can be told.
    """
    title = title_of(payload, firing, resolved)
    attachment = {
        "color": "danger" if firing else "good",
        "title": title,
        "fallback": title,
        "text": _escaped("\n".join(lines_of(payload))),
        "mrkdwn_in": ["text"],
        "footer": notification_id,
    }
    if link:
        attachment["title_link"] = link
    body: dict[str, Any] = {"text": _escaped(title), "attachments": [attachment]}
    for name in ("channel", "username", "icon_emoji"):
        if settings.get(name):
            body[name] = settings[name]
    return body


def mail_of(
    payload: Mapping[str, Any],
    firing: int,
    resolved: int,
    settings: Mapping[str, Any],
    *,
    notification_id: str,
    date: str,
) -> EmailMessage:
    """The mail. Its id is the notification's, so that one that is sent twice is one."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(title_of(payload, firing, resolved).split())
    mail["From"] = settings["from"]
    mail["To"] = ", ".join(settings["to"])
    mail["Date"] = date
    mail["Message-ID"] = f"<{notification_id}@novaql>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(lines_of(payload)) + "\n")
    return mail


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
