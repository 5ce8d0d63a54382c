"""One table: every endpoint of the server hangs here, with the role it needs."""

from __future__ import annotations

from novaql.server.alerts.router import ENDPOINTS as ALERTS
from novaql.server.alerts.router import ROUTERS as ALERT_ROUTERS
from novaql.server.audit.router import ENDPOINTS as AUDIT
from novaql.server.dashboards.router import ENDPOINTS as DASHBOARDS
from novaql.server.health.router import ENDPOINTS as HEALTH
from novaql.server.http.routing import NovaRoute, routes_of
from novaql.server.incidents.router import ENDPOINTS as INCIDENTS
from novaql.server.ingest.router import ENDPOINTS as INGEST
from novaql.server.platform.endpoint import Endpoint
from novaql.server.prometheus.router import ENDPOINTS as PROMETHEUS
from novaql.server.query.router import ENDPOINTS as QUERY
from novaql.server.scim.router import ENDPOINTS as SCIM
from novaql.server.services.router import ENDPOINTS as SERVICES
from novaql.server.slo.router import ENDPOINTS as SLO
from novaql.server.tokens.router import router as tokens
from novaql.server.users.router import ENDPOINTS as USERS
from novaql.server.webhooks.router import ENDPOINTS as WEBHOOKS

Row = Endpoint | NovaRoute

ROUTES: tuple[Row, ...] = (
    *QUERY,
    *DASHBOARDS,
    *SERVICES,
    *SLO,
    *INCIDENTS,
    *ALERTS,
    *routes_of(*ALERT_ROUTERS),
    *AUDIT,
    *WEBHOOKS,
    *USERS,
    *routes_of(tokens),
    *SCIM,
    *PROMETHEUS,
    *INGEST,
    *HEALTH,
)
