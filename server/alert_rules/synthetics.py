"""The alerts of synthetic checks as rules. Events of checks update them."""

from __future__ import annotations

from sqlalchemy import select

from novaql.rules import AlertingRule, Group
from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules.files import replace_file
from novaql.server.db.unit import Unit
from novaql.server.jobs.outbox import Consumer, EventEnvelope


def created(unit: Unit, event: EventEnvelope) -> None:
    """A check was created: add the rules of the event."""
    check, interval_ms = event.data["synthetic"], round(event.data["interval_s"] * 1000)
    rules = tuple(
        AlertingRule(
            rule["name"],
            rule["expr"],
            labels=rule["labels"],
            annotations=rule["annotations"],
        )
        for rule in event.data["alert_rules"]
    )
    _set(unit, check["id"], (Group(check["id"], rules, interval_ms),), interval_ms)
    unit.session.flush()
    managed = AlertRule.managed == f"synthetic:{check['id']}"
    for row in unit.session.execute(select(AlertRule).where(managed)).scalars():
        row.auto_incident, row.no_data = True, "keep"
        row.escalation_policy_id = check["escalation_policy_id"]


def deleted(unit: Unit, event: EventEnvelope) -> None:
    """A check was deleted: delete its rules and resolve their alerts."""
    _set(unit, event.data["synthetic"]["id"], (), 0)


def _set(unit: Unit, check_id: str, groups: tuple[Group, ...], interval_ms: int) -> None:
    managed = f"synthetic:{check_id}"
    replace_file(unit, f"synthetic/{check_id}", groups, default_ms=interval_ms, managed=managed)


CONSUMERS = (Consumer("synthetic.created", created), Consumer("synthetic.deleted", deleted))
