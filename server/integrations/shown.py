"""Connections as answers and the audit log show them."""

from __future__ import annotations

from typing import Any

from novaql.server.clock import rfc3339
from novaql.server.db.unit import Unit
from novaql.server.integrations.provider import ProviderFault
from novaql.server.integrations.providers import providers_of
from novaql.server.integrations.schema import FaultOut, IntegrationOut
from novaql.server.integrations.tables import Integration


def shown(unit: Unit, row: Integration) -> IntegrationOut:
    """The response model of a connection."""
    now = unit.now()
    provider = providers_of(unit.settings).get(row.provider)
    lag = None if row.synced_at is None else max(0.0, (now - row.synced_at).total_seconds())
    healthy = None
    if row.status == "reconnect":
        healthy = False
    elif row.status == "connected" and row.tested_at is not None:
        healthy = row.fault is None
    return IntegrationOut.of_row(
        row,
        title=row.provider if provider is None else provider.title,
        healthy=healthy,
        last_error=None if row.fault is None else FaultOut.model_validate(row.fault),
        last_sync_at=row.synced_at,
        sync_lag_s=lag,
        sync_in_progress=row.sync_id,
        authorization_expires_at=row.pending_until,
    )


def snapshot(row: Integration) -> dict[str, Any]:
    """A connection as the audit log contains it: with changes of credentials, not their values."""
    return {
        "id": row.id,
        "provider": row.provider,
        "status": row.status,
        "flow": row.flow,
        "settings": row.settings,
        "credentials": row.credentials,
        "connected_by": row.connected_by,
        "version": row.version,
    }


def note_fault(unit: Unit, row: Integration, fault: ProviderFault | None) -> None:
    """Record the outcome of a test or a sync."""
    now = unit.now()
    row.tested_at = now
    row.fault = None
    if fault is not None:
        row.fault = {"reason_code": fault.reason.value, "detail": fault.detail, "at": rfc3339(now)}
