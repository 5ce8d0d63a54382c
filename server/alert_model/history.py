"""The history of an alert: an entry for each change of its state and each action of a user."""

from __future__ import annotations

from datetime import datetime

from novaql.server.alert_model.tables import Alert, AlertChange
from novaql.server.db.unit import Unit
from novaql.server.ids import new_id


def entry(alert: Alert, change: str, at: datetime, note: str = "") -> AlertChange:
    """Build an entry with the current value of the alert."""
    return AlertChange(
        id=new_id("ach"), alert_id=alert.id, at=at, type=str(change), value=alert.value, note=note
    )


def record(unit: Unit, alert: Alert, change: str, note: str) -> None:
    """Add an entry at the time of the unit."""
    unit.session.add(entry(alert, change, unit.now(), note))
