"""The history of an alert: entries for each change of its state, and for what users do with it."""

from __future__ import annotations

from datetime import datetime

from novaql.server.alert_model.tables import Alert, AlertChange
from novaql.server.db.unit import Unit
from novaql.server.ids import new_id


def entry(alert: Alert, change: str, at: datetime, note: str = "") -> AlertChange:
    """An entry, with the value that the alert has now."""
    return AlertChange(
        id=new_id("ach"), alert_id=alert.id, at=at, type=str(change), value=alert.value, note=note
    )


def record(unit: Unit, alert: Alert, change: str, note: str) -> None:
    """Add an entry at the time of the unit."""
    unit.session.add(entry(alert, change, unit.now(), note))
