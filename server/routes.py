"""One table: every endpoint of the server hangs here, with the role it needs."""

from __future__ import annotations

from novaql.server.alerts.router import ENDPOINTS as ALERTS
from novaql.server.alerts.router import ROUTERS as ALERT_ROUTERS
from novaql.server.audit.download import router as downloads
from novaql.server.audit.router import router as audit
from novaql.server.dashboards.embeds import router as embeds
from novaql.server.dashboards.live import router as dashboard_data
from novaql.server.dashboards.router import router as dashboards
from novaql.server.health.router import ENDPOINTS as HEALTH
from novaql.server.http.routing import NovaRoute, routes_of
from novaql.server.incidents.router import router as incidents
from novaql.server.ingest.router import ENDPOINTS as INGEST
from novaql.server.platform.endpoint import Endpoint
from novaql.server.prometheus.router import ENDPOINTS as PROMETHEUS
from novaql.server.query.router import ENDPOINTS as QUERY
from novaql.server.scim.router import ENDPOINTS as SCIM
from novaql.server.services.router import router as services
from novaql.server.slo.router import router as slo
from novaql.server.tokens.router import router as tokens
from novaql.server.users.invitations import router as invitations
from novaql.server.users.router import router as users
from novaql.server.webhooks.router import router as webhooks

Row = Endpoint | NovaRoute

ROUTES: tuple[Row, ...] = (
    *QUERY,
    *routes_of(dashboards, dashboard_data, embeds),
    *routes_of(services),
    *routes_of(slo),
    *routes_of(incidents),
    *routes_of(*ALERT_ROUTERS),
    *ALERTS,
    *routes_of(audit, downloads),
    *routes_of(webhooks),
    *routes_of(users, invitations),
    *routes_of(tokens),
    *SCIM,
    *PROMETHEUS,
    *INGEST,
    *HEALTH,
)
