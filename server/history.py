"""Retention of ended rows, for the tables of each domain.

docs/design/what-grows.md lists for every table which requests add rows, and the bound.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import case, func, select

from novaql.server.agents.tables import AgentAction
from novaql.server.alert_model.tables import Alert, AlertChange
from novaql.server.audit.tables import AuditExport
from novaql.server.dashboards.tables import PanelEmbed
from novaql.server.escalation.tables import EscalationRun, Page
from novaql.server.incidents.model import MOST_ALERTS
from novaql.server.incidents.tables import (
    Acknowledger,
    Entry,
    Incident,
    IncidentAlert,
    IncidentService,
)
from novaql.server.integrations.tables import HookMessage, IntegrationResource, IntegrationSync
from novaql.server.jobs.retention import Retention
from novaql.server.notifications.tables import Notification
from novaql.server.oncall.tables import OncallOverride
from novaql.server.runbooks.tables import RunbookRun, RunbookStepRun
from novaql.server.silences.tables import SilenceRow
from novaql.server.slo.tables import Slo, SloTerm
from novaql.server.synthetics.tables import (
    ProbeRunner,
    Synthetic,
    SyntheticRegion,
    SyntheticResult,
    SyntheticScreenshot,
    SyntheticTally,
)
from novaql.server.webhooks.messages import RETENTION
from novaql.server.webhooks.tables import WebhookAttempt, WebhookDelivery

_MONTH, _YEARS = timedelta(days=30), timedelta(days=800)
_MOMENT = timedelta(days=1)
_NOW = timedelta()
_DEPLOYED = case(
    (IntegrationResource.at <= IntegrationResource.created_at, IntegrationResource.at),
    else_=IntegrationResource.created_at,
)
"""When a deploy has ended: no time in the future, which another system may report, retains it."""

RETENTIONS: tuple[Retention, ...] = (
    Retention(
        WebhookDelivery,
        case((WebhookDelivery.status != "pending", WebhookDelivery.created_at)),
        RETENTION,
        (WebhookAttempt.delivery_id,),
    ),
    Retention(
        Notification, case((Notification.status != "pending", Notification.created_at)), _MONTH
    ),
    Retention(SilenceRow, func.coalesce(SilenceRow.lifted_at, SilenceRow.ends_at), _MONTH),
    Retention(
        Alert,
        case((Alert.state.in_(("resolved", "inactive")), Alert.resolved_at)),
        _MONTH,
        (AlertChange.alert_id,),
    ),
    Retention(AlertChange, AlertChange.at, None),
    Retention(
        Incident,
        Incident.resolved_at,
        None,
        (
            IncidentService.incident_id,
            IncidentAlert.incident_id,
            Acknowledger.incident_id,
            Entry.incident_id,
            Page.incident_id,
            EscalationRun.incident_id,
        ),
    ),
    Retention(  # alerts beyond those that answers list
        IncidentAlert,
        case((IncidentAlert.position >= MOST_ALERTS, IncidentAlert.over_at)),
        _MOMENT,
    ),
    Retention(Page, case((Page.status != "pending", Page.created_at)), "page_retention_s"),
    Retention(AgentAction, AgentAction.ended_at, None),
    Retention(RunbookRun, RunbookRun.ended_at, None, (RunbookStepRun.run_id,)),
    Retention(PanelEmbed, func.coalesce(PanelEmbed.revoked_at, PanelEmbed.expires_at), _MONTH),
    Retention(OncallOverride, OncallOverride.ends_at, _YEARS),
    Retention(
        IntegrationResource,
        func.coalesce(
            IntegrationResource.vanished_at,
            case((IntegrationResource.kind == "deploy", _DEPLOYED)),
        ),
        None,
    ),
    Retention(IntegrationSync, IntegrationSync.ended_at, _MONTH),
    Retention(HookMessage, HookMessage.at, _MONTH),
    Retention(  # results of deleted checks, a few at a time
        SyntheticResult,
        select(Synthetic.expires_at)
        .where(Synthetic.id == SyntheticResult.synthetic_id)
        .scalar_subquery(),
        _NOW,
        (SyntheticScreenshot.result_id,),
    ),
    Retention(  # `expires_at` is in the future until the settings of the domain expire the row
        Synthetic,
        Synthetic.expires_at,
        _NOW,
        (
            SyntheticScreenshot.synthetic_id,
            SyntheticResult.synthetic_id,
            SyntheticTally.synthetic_id,
            SyntheticRegion.synthetic_id,
        ),
    ),
    Retention(SyntheticResult, SyntheticResult.expires_at, _NOW, (SyntheticScreenshot.result_id,)),
    Retention(
        SyntheticResult, SyntheticResult.completed_at, None, (SyntheticScreenshot.result_id,)
    ),
    Retention(SyntheticTally, SyntheticTally.expires_at, _NOW),
    Retention(ProbeRunner, ProbeRunner.seen_at, _MONTH),
    Retention(AuditExport, AuditExport.expires_at, _MOMENT),
    Retention(Slo, Slo.archived_at, _YEARS, (SloTerm.slo_id,)),
    Retention(SloTerm, SloTerm.valid_until, _YEARS),
)
"""Tables of domains; `jobs/housekeeping.py` has the others."""
