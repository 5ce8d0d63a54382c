"""Look-up of rules in their groups."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from novaql.server.alert_model.tables import AlertRule
from novaql.server.db.unit import Unit


def rules_by_group(unit: Unit, *where: ColumnElement[bool]) -> dict[str, list[AlertRule]]:
    """The rules by the id of their group, in order."""
    found: dict[str, list[AlertRule]] = {}
    statement = select(AlertRule).where(*where).order_by(AlertRule.position)
    for rule in unit.session.execute(statement).scalars():
        found.setdefault(rule.group_id, []).append(rule)
    return found
