"""Every route of the server, with the role that it requires."""

from __future__ import annotations

from novaql.server.agents.router import router as agents
from novaql.server.alert_rules.dry_run import router as rule_tests
from novaql.server.alert_rules.router import router as alert_rules
from novaql.server.alerts.router import router as alerts
from novaql.server.audit.download import router as downloads
from novaql.server.audit.router import router as audit
from novaql.server.contacts.router import router as contacts
from novaql.server.dashboards.embeds import router as embeds
from novaql.server.dashboards.live import router as dashboard_data
from novaql.server.dashboards.router import router as dashboards
from novaql.server.escalation.router import escalations_router as escalations
from novaql.server.escalation.router import incidents_router as pages_of_incidents
from novaql.server.escalation.router import pages_router as pages
from novaql.server.escalation.router import router as escalation_policies
from novaql.server.health.router import ROUTES as HEALTH
from novaql.server.http.data_route import DataRoute
from novaql.server.http.routing import NovaRoute, routes_of
from novaql.server.incidents.router import router as incidents
from novaql.server.ingest.router import ROUTES as INGEST
from novaql.server.integrations.callback import router as integration_callback
from novaql.server.integrations.hook_router import RECEIVER as HOOK_RECEIVER
from novaql.server.integrations.hook_router import router as integration_hooks
from novaql.server.integrations.router import router as integrations
from novaql.server.ledger.router import keys_router as ledger_keys
from novaql.server.ledger.router import router as ledger
from novaql.server.notifications.channels_router import log_router as notifications
from novaql.server.notifications.channels_router import router as channels
from novaql.server.notifications.routing_router import router as alert_routing
from novaql.server.oncall.feed import router as oncall_feed
from novaql.server.oncall.preview import router as oncall_preview
from novaql.server.oncall.router import router as oncall
from novaql.server.postmortems.router import router as postmortems
from novaql.server.prometheus.router import ROUTES as PROMETHEUS
from novaql.server.pushes.router import ROUTES as PUSHES
from novaql.server.query.router import ROUTES as QUERY
from novaql.server.runbooks.router import router as runbooks
from novaql.server.runbooks.router import runs_router as runbook_runs
from novaql.server.scim.router import ROUTES as SCIM
from novaql.server.services.router import router as services
from novaql.server.sessions.router import router as sessions
from novaql.server.silences.router import router as silences
from novaql.server.slo.router import router as slo
from novaql.server.synthetics.probes_router import router as probes
from novaql.server.synthetics.router import router as synthetics
from novaql.server.tokens.router import router as tokens
from novaql.server.users.invitations import router as invitations
from novaql.server.users.router import router as users
from novaql.server.webhooks.router import router as webhooks

Row = DataRoute | NovaRoute

ROUTES: tuple[Row, ...] = (
    *QUERY,
    *routes_of(dashboards, dashboard_data, embeds),
    *routes_of(services),
    *routes_of(slo),
    *routes_of(incidents),
    *routes_of(postmortems),
    *routes_of(alert_rules, rule_tests),
    *routes_of(alerts),
    *routes_of(silences),
    *routes_of(channels, notifications, alert_routing),
    *routes_of(agents, ledger, ledger_keys),
    *routes_of(runbooks, runbook_runs),
    *routes_of(audit, downloads),
    *routes_of(webhooks),
    *routes_of(users, invitations),
    *routes_of(tokens),
    *routes_of(sessions),
    *routes_of(oncall, oncall_preview, oncall_feed),
    *routes_of(escalation_policies, escalations, pages, pages_of_incidents),
    *routes_of(contacts),
    HOOK_RECEIVER,
    *routes_of(integration_callback, integrations, integration_hooks),
    *routes_of(synthetics, probes),
    *SCIM,
    *PROMETHEUS,
    *INGEST,
    *PUSHES,
    *HEALTH,
)
