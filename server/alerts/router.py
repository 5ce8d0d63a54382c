"""Everything of alerts over HTTP."""

from __future__ import annotations

from novaql.server.alerts import (
    alerts_router,
    channels_router,
    dry_run,
    routing_import,
    routing_router,
    rules_router,
    silences_router,
)
from novaql.server.platform.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *channels_router.ENDPOINTS,
    *routing_router.ENDPOINTS,
    *routing_import.ENDPOINTS,
)
ROUTERS = (rules_router.router, dry_run.router, alerts_router.router, silences_router.router)
