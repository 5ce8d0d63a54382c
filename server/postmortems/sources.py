"""What happened around the start of an incident, besides its timeline and its alerts.

A source is a function that reads rows of one domain. A domain with such rows (deployments, runs of
runbooks) has its function here, and its facts are cited like the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from novaql.server.db.tables import AuditEntry
from novaql.server.db.unit import Unit
from novaql.server.integrations.tables import IntegrationResource
from novaql.server.postmortems.evidence import RelatedFact

BEFORE = timedelta(hours=1)
"""How long before the start changes are looked for."""
MOST = 50
"""The most facts of one source; the latest before the start."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a source reads facts about: affected services, rules and objectives, and times.

    targets  ids of the services, rules and objectives → their names
    """

    services: Sequence[str]
    targets: dict[str, str]
    started_at: datetime
    resolved_at: datetime | None


Source = Callable[[Unit, Scope], Sequence[RelatedFact]]


def configuration_changes(unit: Unit, scope: Scope) -> Sequence[RelatedFact]:
    """Changes of the services, rules and objectives in the hour before the start, from the audit
    log."""
    if not scope.targets:
        return ()
    statement = (
        select(AuditEntry)
        .where(
            AuditEntry.target_id.in_(scope.targets),
            AuditEntry.target_type.in_(("service", "alert_rule", "slo")),
            AuditEntry.action != "service.create",  # describes a service, and changes nothing
            AuditEntry.outcome == "success",
            AuditEntry.at >= scope.started_at - BEFORE,
            AuditEntry.at < scope.started_at,
        )
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(MOST)
    )
    found = unit.session.execute(statement).scalars().all()
    return [
        RelatedFact(
            "change",
            entry.id,
            entry.at,
            f"{entry.action} of {scope.targets[entry.target_id]} by {entry.actor_name}",
        )
        for entry in reversed(found)
    ]


def deploys(unit: Unit, scope: Scope) -> Sequence[RelatedFact]:
    """Deploys of the affected services in the hour before the start, that integrations or hooks
    have delivered."""
    if not scope.services:
        return ()
    table = IntegrationResource
    statement = (
        select(table)
        .where(
            table.kind == "deploy",
            table.service.in_(scope.services),
            table.at >= scope.started_at - BEFORE,
            table.at <= scope.started_at,
        )
        .order_by(table.at.desc(), table.id.desc())
        .limit(MOST)
    )
    found = unit.session.execute(statement).scalars().all()
    return [
        RelatedFact("deploy", row.id, row.at, _deploy_text(row))
        for row in reversed(found)
        if row.at is not None
    ]


def _deploy_text(row: IntegrationResource) -> str:
    text = f"deploy of {row.service}"
    version, environment = row.data.get("version"), row.data.get("environment")
    if version:
        text += f", version {version}"
    if environment:
        text += f", to {environment}"
    status = row.data.get("status")
    return f"{text} ({status}, by {row.provider})" if status else f"{text} (by {row.provider})"


SOURCES: tuple[Source, ...] = (configuration_changes, deploys)
