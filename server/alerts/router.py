"""Everything of alerts over HTTP."""

from __future__ import annotations

from novaql.server.alerts import (
    alerts_router,
    channels_router,
    dry_run,
    routing_router,
    rules_router,
    silences_router,
)

ROUTERS = (
    rules_router.router,
    dry_run.router,
    alerts_router.router,
    silences_router.router,
    channels_router.router,
    channels_router.log_router,
    routing_router.router,
)
