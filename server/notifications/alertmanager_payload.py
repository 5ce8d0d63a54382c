"""A notification in the format of Alertmanager's webhook, for receivers that support it.

The format is version 4 of Alertmanager's `notify/webhook`. `notification_id`, `why`, `message` (the
text of a notification without alerts), and `id` and `value` of alerts are additions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from novaql.server.notifications.tables import Notification

_NEVER = "0001-01-01T00:00:00Z"
_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


def webhook_payload(
    row: Notification, external_url: str, expressions: Mapping[str, str]
) -> dict[str, Any]:
    """The body of the request. `expressions` maps rule ids to expressions."""
    payload = row.payload
    alerts = [_alert(alert, external_url, expressions) for alert in payload["alerts"]]
    labels = payload["group_labels"]
    return {
        "version": "4",
        "groupKey": f"{payload['route']}:{labels_text(labels)}",
        "truncatedAlerts": payload["truncated"],
        "status": "firing" if any(a["status"] == "firing" for a in alerts) else "resolved",
        "receiver": row.channel,
        "groupLabels": labels,
        "commonLabels": _common([a["labels"] for a in alerts]),
        "commonAnnotations": _common([a["annotations"] for a in alerts]),
        "externalURL": external_url,
        "alerts": alerts,
        "notification_id": row.id,
        "why": row.why,
        **({"message": payload["message"]} if "message" in payload else {}),
    }


def labels_text(labels: Mapping[str, str]) -> str:
    """Format labels as `{a="b", c="d"}`."""
    quoted = (f'{name}="{_escaped(labels[name])}"' for name in sorted(labels))
    return "{" + ", ".join(quoted) + "}"


def fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's fingerprint of a label set: FNV-1a of 64 bits, in hexadecimal."""
    total = _OFFSET
    for name in sorted(labels, key=str.encode):
        for byte in (*name.encode(), 0xFF, *labels[name].encode(), 0xFF):
            total = ((total ^ byte) * _PRIME) & _MASK
    return f"{total:016x}"


def _alert(
    alert: Mapping[str, Any], external_url: str, expressions: Mapping[str, str]
) -> dict[str, Any]:
    fires = alert["state"] == "firing"
    expr = quote_plus(expressions.get(alert["rule_id"], ""))
    return {
        "status": "firing" if fires else "resolved",
        "labels": alert["labels"],
        "annotations": alert["annotations"],
        "startsAt": alert["fired_at"] or alert["started_at"],
        "endsAt": _NEVER if fires else alert["resolved_at"],
        "generatorURL": f"{external_url}/graph?g0.expr={expr}&g0.tab=1",
        "fingerprint": fingerprint(alert["labels"]),
        "id": alert["id"],
        "value": alert["value"],
    }


def _common(sets: Sequence[Mapping[str, str]]) -> dict[str, str]:
    if not sets:
        return {}
    return {
        name: text for name, text in sets[0].items() if all(s.get(name) == text for s in sets[1:])
    }


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
