"""Use cases of integrations, except for connecting."""

from __future__ import annotations

import logging

from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, NotFound
from novaql.server.http.pagination import Key, Page, PageQuery, Pager, equal_to
from novaql.server.integrations.connecting import DEVICE, clear_pending, find
from novaql.server.integrations.credentials import Credentials, unsealed
from novaql.server.integrations.link import AccountLink
from novaql.server.integrations.provider import (
    NOT_UNDERSTOOD,
    Provider,
    ProviderFault,
    Reason,
)
from novaql.server.integrations.providers import provider_named
from novaql.server.integrations.schema import ProviderTested, ResourceQuery
from novaql.server.integrations.shown import note_fault, snapshot
from novaql.server.integrations.syncs import SYNC, begin_sync, cancel_sync
from novaql.server.integrations.tables import Integration, IntegrationResource, IntegrationSync
from novaql.server.tenants.context import ServerContext

log = logging.getLogger(__name__)
KEYS = (Key(Integration.created_at), Key(Integration.id))
SYNC_KEYS = (
    Key(IntegrationSync.created_at, descending=True),
    Key(IntegrationSync.id, descending=True),
)
RESOURCE_KEYS = (Key(IntegrationResource.created_at), Key(IntegrationResource.id))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a test at the provider. fault: None if it succeeded."""

    detail: str
    fault: ProviderFault | None

    @property
    def shown(self) -> ProviderTested:
        reason = None if self.fault is None else self.fault.reason
        return ProviderTested(ok=reason is None, reason_code=reason, detail=self.detail)


def connected(unit: Unit, name: str, *, lock: bool = False) -> tuple[Provider, Integration]:
    """Return a provider and its connection. Raises 404 for an unknown provider, and `Conflict`
    `not_connected`."""
    provider = provider_named(unit.settings, name)
    row = find(unit, name)
    if row is None or row.credentials is None:
        raise Conflict(f"{name} is not connected", code="not_connected")
    if lock:
        row = unit.get(Integration, row.id, "integration", lock=True)
    return provider, row


def probed(
    context: ServerContext,
    provider: Provider,
    integration_id: str | None,
    credentials: Credentials | None = None,
) -> Outcome:
    """Test credentials at the provider. Call it without a transaction."""
    try:
        link = AccountLink(context, provider, integration_id, credentials)
        return Outcome(provider.test(link)[:500], None)
    except ProviderFault as fault:
        return Outcome(fault.detail, fault)
    except NOT_UNDERSTOOD as problem:
        text = f"the answer cannot be read: {type(problem).__name__}"
        return Outcome(text, ProviderFault(Reason.PROVIDER_ERROR, text))


def note_test(unit: Unit, name: str, outcome: Outcome) -> None:
    """Record a test in the connection, if it is still there, and in the audit log."""
    row = find(unit, name)
    if row is not None and row.credentials is not None:
        row = unit.get(Integration, row.id, "integration", lock=True)
        note_fault(unit, row, outcome.fault)
    target = ("integration", name if row is None else row.id)
    unit.audit("integration.test", target, after=outcome.shown.model_dump(mode="json"))


def start_sync(unit: Unit, name: str) -> IntegrationSync:
    """Begin a sync. Raises `Conflict`: `not_connected`, `sync_in_progress`, `nothing_to_sync`."""
    provider, row = connected(unit, name)
    if not provider.kinds:
        raise Conflict(f"{name} has no resources to read", code="nothing_to_sync")
    unit.enqueue(SYNC, key=row.id)  # lock order: jobs first
    unit.session.flush()
    row = unit.get(Integration, row.id, "integration", lock=True)
    sync = begin_sync(unit, row, "request")
    after = {"id": sync.id, "provider": name, "status": sync.status}
    unit.audit("integration.sync", ("integration", row.id), after=after)
    return sync


def disconnect(unit: Unit, name: str) -> tuple[Provider, Credentials | None]:
    """Delete the credentials of a provider, and cancel its jobs. Return what has to be revoked.

    Raises `NotFound` `integration_not_found` if there is nothing to disconnect.
    """
    provider = provider_named(unit.settings, name)
    row = find(unit, name)
    if row is not None:
        unit.cancel(SYNC, [row.id])  # lock order: jobs first
        unit.cancel(DEVICE, [row.id])
        row = unit.find(Integration, row.id, lock=True)
    if row is None or row.status == "disconnected":
        raise NotFound(f"{name} is not connected", code="integration_not_found")
    credentials, before = unsealed(unit, row), snapshot(row)
    cancel_sync(unit, row)
    clear_pending(row)
    row.credentials = row.refresh_lease = row.refresh_until = row.cursor = row.fault = None
    row.generation += 1
    row.status = "disconnected"
    unit.record(row, "integration.disconnect", before, snapshot)
    unit.publish("integration.disconnected", {"provider": name, "id": row.id})
    return provider, credentials


def revoke(context: ServerContext, provider: Provider, credentials: Credentials | None) -> None:
    """Revoke credentials at the provider, as far as it can. Call it without a transaction."""
    if credentials is None:
        return
    try:
        provider.revoke(AccountLink(context, provider, None, credentials))
    except (ProviderFault, *NOT_UNDERSTOOD):
        log.warning("provider %s did not revoke the credentials", provider.name)


def syncs_of(unit: Unit, pages: Pager, name: str, query: PageQuery) -> Page[IntegrationSync]:
    """A page of the syncs of a provider, newest first."""
    provider_named(unit.settings, name)
    statement = select(IntegrationSync).where(IntegrationSync.provider == name)
    return pages.page(unit, statement, SYNC_KEYS, query)


def resources_of(
    unit: Unit, pages: Pager, name: str, query: ResourceQuery
) -> Page[IntegrationResource]:
    """A page of the resources that a provider has delivered."""
    provider_named(unit.settings, name)
    table = IntegrationResource
    statement = select(table).where(
        table.provider == name, *equal_to(table, query, "kind", "service")
    )
    if query.vanished is not None:
        gone = table.vanished_at.is_not(None)
        statement = statement.where(gone if query.vanished else ~gone)
    return pages.page(unit, statement, RESOURCE_KEYS, query)
