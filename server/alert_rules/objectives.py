"""The burn alerts of objectives as rules. Events of objectives update them."""

from __future__ import annotations

from sqlalchemy import select

from novaql.rules import AlertingRule, Group
from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules.files import replace_file
from novaql.server.db.unit import Unit
from novaql.server.jobs.outbox import Consumer, EventEnvelope

INTERVAL_MS = 60_000


def saved(unit: Unit, event: EventEnvelope) -> None:
    """An objective was saved: replace its rules with those of the event."""
    slo = event.data["slo"]
    rules = tuple(
        AlertingRule(
            rule["name"],
            rule["expr"],
            labels=rule["labels"],
            annotations=rule["annotations"],
        )
        for rule in event.data["alert_rules"]
    )
    group = Group(f"{slo['service']}/{slo['name']}", rules, INTERVAL_MS)
    _set(unit, slo["id"], (group,) if rules else ())
    unit.session.flush()
    policy_id = slo.get("escalation_policy_id")  # an event of an older server has none
    managed = AlertRule.managed == f"slo:{slo['id']}"
    for row in unit.session.execute(select(AlertRule).where(managed)).scalars():
        row.escalation_policy_id = policy_id if row.labels.get("severity") == "page" else None
        row.auto_incident = row.escalation_policy_id is not None


def archived(unit: Unit, event: EventEnvelope) -> None:
    """An objective was archived: delete its rules and resolve their alerts."""
    _set(unit, event.data["slo"]["id"], ())


def _set(unit: Unit, slo_id: str, groups: tuple[Group, ...]) -> None:
    replace_file(unit, f"slo/{slo_id}", groups, default_ms=INTERVAL_MS, managed=f"slo:{slo_id}")


CONSUMERS = (Consumer("slo.saved", saved), Consumer("slo.archived", archived))
