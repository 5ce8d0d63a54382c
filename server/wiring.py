"""Kinds of jobs, consumers of events, and types of events of all domains.

Domains do not import each other, except the layers of alerting (`pyproject.toml`). A domain that
reacts to a change of another domain consumes its event.
"""

from __future__ import annotations

from novaql.server.agents.jobs import EXPIRIES
from novaql.server.alert_rules.incident_events import CONSUMERS as INCIDENTS_OF_ALERTS
from novaql.server.alert_rules.jobs import KINDS as EVALUATIONS
from novaql.server.alert_rules.objectives import CONSUMERS as BURN_ALERTS
from novaql.server.alert_rules.synthetics import CONSUMERS as CHECK_ALERTS
from novaql.server.audit.jobs import EXPORTS
from novaql.server.escalation.jobs import KINDS as ESCALATION
from novaql.server.escalation.runs import CONSUMERS as ESCALATIONS
from novaql.server.history import RETENTIONS
from novaql.server.incidents.from_alerts import CONSUMERS as ALERTS_OF_INCIDENTS
from novaql.server.integrations.jobs import DEVICES, SYNCS
from novaql.server.jobs.outbox import Consumer
from novaql.server.jobs.runner import JobKind
from novaql.server.ledger.jobs import CHECKPOINTS
from novaql.server.notifications.jobs import job_kinds
from novaql.server.oncall.departures import CONSUMERS as DEPARTURES
from novaql.server.pushes.jobs import SAMPLES
from novaql.server.routes import ROUTES
from novaql.server.runbooks.jobs import CONSUMERS as RUNBOOK_ACTIONS
from novaql.server.runbooks.jobs import RUNS
from novaql.server.silences.muting import Muting
from novaql.server.synthetics.jobs import KINDS as SYNTHETICS
from novaql.server.webhooks.events import EVENTS
from novaql.server.webhooks.jobs import DELIVERIES
from novaql.server.webhooks.messages import CONSUMER as WEBHOOKS

__all__ = ["CONSUMERS", "EVENT_TYPES", "JOBS", "RETENTIONS"]

CONSUMERS: tuple[Consumer, ...] = (
    WEBHOOKS,
    *BURN_ALERTS,
    *CHECK_ALERTS,
    *ALERTS_OF_INCIDENTS,
    *INCIDENTS_OF_ALERTS,
    *DEPARTURES,
    *RUNBOOK_ACTIONS,
    *ESCALATIONS,
)

JOBS: tuple[JobKind, ...] = (
    EXPORTS,
    DELIVERIES,
    *EVALUATIONS,
    *job_kinds(Muting.of),
    CHECKPOINTS,
    SYNCS,
    DEVICES,
    EXPIRIES,
    RUNS,
    *ESCALATION,
    *SYNTHETICS,
    SAMPLES,
)

AUDITED_WITHOUT_ROUTE = (
    "agent_action.approve",
    "agent_action.reject",
    "dashboard.update",
    "escalation_policy.update",
    "group.create",
    "group.delete",
    "group.update",
    "incident.trigger",
    "runbook.update",
    "runbook_run.approve",
    "runbook_run.end",
    "runbook_run.reject",
    "runbook_run.renew",
    "runbook_run.start",
    "runbook_run.wait",
    "runbook_step.end",
    "integration.authorize",
    "schedule.update",
    "slo.create",
    "slo.update",
    "user.accept",
    "user.delete",
    "user.update",
    "webhook.disable",
)
"""Actions of SCIM, of jobs, and of routes with several actions; `ROUTES` has the others."""

EVENT_TYPES = frozenset(EVENTS) | {
    f"audit.{action}"
    for action in (*AUDITED_WITHOUT_ROUTE, *(e.action for e in ROUTES if e.action is not None))
}
"""Every type of event that a webhook can subscribe to."""
