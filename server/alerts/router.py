"""Everything of alerts over HTTP."""

from __future__ import annotations

from novaql.server.alerts import (
    alerts_router,
    channels_router,
    routing_router,
    rules_router,
    silences_router,
)
from novaql.server.platform.endpoint import Endpoint

ROUTERS = (channels_router.router, channels_router.log_router, routing_router.router)

ENDPOINTS: tuple[Endpoint, ...] = (
    *rules_router.ENDPOINTS,
    *alerts_router.ENDPOINTS,
    *silences_router.ENDPOINTS,
)
