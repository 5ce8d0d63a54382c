"""What happened around the start of an incident, besides its timeline and its alerts.

A source is a function that reads rows of one domain. A domain with such rows (deployments, runs of
runbooks) has its function here, and its facts are cited like the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.alert_model.tables import AlertRule
from novaql.server.db.tables import AuditEntry
from novaql.server.db.unit import Unit
from novaql.server.integrations.tables import IntegrationResource
from novaql.server.postmortems.evidence import RelatedFact
from novaql.server.runbooks.tables import RunbookRun

BEFORE = timedelta(hours=1)
"""How long before the start changes are searched."""
MOST_READ = 500
"""The most runs of runbooks that are read to find those of the services."""
MOST = 50
"""The most facts of one source; the latest before the start."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The subjects about which a source reads facts: the incident, services, rules and objectives,
    and times.

    targets  ids of the services, rules and objectives → their names
    """

    incident_id: str
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


def expression_at(unit: Unit, rule: AlertRule | None, at: datetime) -> tuple[str | None, bool]:
    """Return the expression of a rule at a time, and whether it is only the current one, because
    the rule has changed since then and the audit log does not have the change."""
    if rule is None:
        return None, False
    if rule.updated_at <= at:
        return rule.expr, False
    statement = (
        select(AuditEntry.before)
        .where(
            AuditEntry.target_id == rule.id,
            AuditEntry.action == "alert_rule.update",
            AuditEntry.outcome == "success",
            AuditEntry.at > at,
        )
        .order_by(AuditEntry.at, AuditEntry.id)
        .limit(1)
    )
    before = unit.session.execute(statement).scalar_one_or_none()
    # Only the API records each change of a rule; imports of files and objectives record others.
    if rule.managed or before is None or not isinstance(before.get("expr"), str):
        return rule.expr, True
    return before["expr"], False


def runbook_runs(unit: Unit, scope: Scope) -> Sequence[RelatedFact]:
    """Runs of runbooks for the incident, and runs that changed its services, from an hour before
    the start until its end. Only runs that have begun, and no dry runs."""
    begun = (RunbookRun.started_at.is_not(None), RunbookRun.dry_run.is_(False))
    own = select(RunbookRun).where(RunbookRun.incident_id == scope.incident_id, *begun)
    near = select(RunbookRun).where(
        RunbookRun.started_at >= scope.started_at - BEFORE,
        RunbookRun.started_at <= (scope.resolved_at or unit.now()),
        *begun,
    )
    newest = (RunbookRun.started_at.desc(), RunbookRun.id.desc())
    found = list(unit.session.execute(own.order_by(*newest).limit(MOST)).scalars())
    services = set(scope.services)
    around = unit.session.execute(near.order_by(*newest).limit(MOST_READ)).scalars()
    found += [run for run in around if services & set(run.services)]
    latest = {run.id: run for run in found}
    facts = [_fact_of(run) for run in latest.values()]
    return sorted(facts, key=lambda fact: (fact.at, fact.id))[-MOST:]


def _fact_of(run: RunbookRun) -> RelatedFact:
    by = run.requester_name if run.agent_id is None else f"agent {run.agent_id}"
    where = f" for {', '.join(run.services)}" if run.services else ""
    why = f" ({run.reason})" if run.reason else ""
    text = f"runbook {run.name}{where} was run by {by}: {run.status}{why}"
    return RelatedFact("runbook_run", run.id, run.started_at or run.created_at, text)


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


SOURCES: tuple[Source, ...] = (configuration_changes, deploys, runbook_runs)
