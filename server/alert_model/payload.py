"""An alert as notifications and events contain it."""

from __future__ import annotations

from typing import Any

from novaql.server.alert_model.tables import Alert
from novaql.server.clock import rfc3339


def alert_payload(alert: Alert) -> dict[str, Any]:
    """The fields of an alert as JSON values."""
    return {
        "id": alert.id,
        "rule_id": alert.rule_id,
        "name": alert.name,
        "state": alert.state,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "value": alert.value,
        "service": alert.service,
        "severity": alert.severity,
        "started_at": rfc3339(alert.started_at),
        "fired_at": None if alert.fired_at is None else rfc3339(alert.fired_at),
        "resolved_at": None if alert.resolved_at is None else rfc3339(alert.resolved_at),
    }
