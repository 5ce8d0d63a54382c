"""One table: every endpoint of the server hangs here, with the role it needs."""

from __future__ import annotations

from server.alerts.router import ENDPOINTS as ALERTS
from server.audit.router import ENDPOINTS as AUDIT
from server.dashboards.router import ENDPOINTS as DASHBOARDS
from server.health.router import ENDPOINTS as HEALTH
from server.incidents.router import ENDPOINTS as INCIDENTS
from server.ingest.router import ENDPOINTS as INGEST
from server.platform.endpoint import Endpoint
from server.prometheus.router import ENDPOINTS as PROMETHEUS
from server.query.router import ENDPOINTS as QUERY
from server.scim.router import ENDPOINTS as SCIM
from server.services.router import ENDPOINTS as SERVICES
from server.slo.router import ENDPOINTS as SLO
from server.tokens.router import ENDPOINTS as TOKENS
from server.users.router import ENDPOINTS as USERS
from server.webhooks.router import ENDPOINTS as WEBHOOKS

ROUTES: tuple[Endpoint, ...] = (
    *QUERY,
    *DASHBOARDS,
    *SERVICES,
    *SLO,
    *INCIDENTS,
    *ALERTS,
    *AUDIT,
    *WEBHOOKS,
    *USERS,
    *TOKENS,
    *SCIM,
    *PROMETHEUS,
    *INGEST,
    *HEALTH,
)
