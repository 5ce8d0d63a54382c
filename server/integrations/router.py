"""/v1/integrations."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Query
from sqlalchemy import select
from starlette.requests import Request

from novaql.server.db.unit import Unit
from novaql.server.errors import Impossible, NotFound
from novaql.server.http.dependencies import (
    ADMIN,
    BaseUrl,
    Pages,
    ResourceId,
    Server,
    UnitOfWork,
)
from novaql.server.http.pagination import PageQuery
from novaql.server.http.preparing import checked
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.http.transaction import ExternalCall
from novaql.server.integrations import connecting, service
from novaql.server.integrations.callback import PATH as CALLBACK
from novaql.server.integrations.connecting import Connection, Wanted
from novaql.server.integrations.credentials import Credentials
from novaql.server.integrations.link import exchange_of
from novaql.server.integrations.oauth import DeviceGrant, Refused
from novaql.server.integrations.oauth import begin_device as request_device
from novaql.server.integrations.provider import Flow, Provider, ProviderFault
from novaql.server.integrations.providers import provider_named, providers_of
from novaql.server.integrations.schema import (
    ConnectedOut,
    ConnectIntegration,
    IntegrationOut,
    IntegrationsOut,
    ProviderOut,
    ProvidersOut,
    ProviderTested,
    ResourceOut,
    ResourceQuery,
    ResourcesOut,
    Status,
    SyncOut,
    SyncsOut,
    SyncStartedOut,
)
from novaql.server.integrations.shown import shown
from novaql.server.integrations.tables import Integration, IntegrationSync
from novaql.server.tenants.context import ServerContext

router = api_router("/v1/integrations", "integrations")
Connecting = ExternalCall[service.Outcome, ConnectedOut] | ExternalCall[DeviceGrant, ConnectedOut]


async def checked_wanted(request: Request, body: ConnectIntegration) -> Wanted:
    """Check the settings of the provider."""
    return await checked(request, body, connecting.check_wanted)


@router.get("", dependencies=[ADMIN])
def list_integrations(
    unit: UnitOfWork, pages: Pages, query: Annotated[PageQuery, Query()]
) -> IntegrationsOut:
    """The connections to providers, also ended ones, with their health and last sync."""
    page = pages.page(unit, select(Integration), service.KEYS, query)
    return IntegrationsOut.of(page, lambda row: shown(unit, row))


@router.get("/providers", dependencies=[ADMIN])
def list_providers(unit: UnitOfWork) -> ProvidersOut:
    """The providers that can be connected, each with the schema of its settings."""
    return ProvidersOut(data=[_described(one) for one in providers_of(unit.settings).values()])


@router.get("/{provider}/status", dependencies=[ADMIN])
def get_integration_status(unit: UnitOfWork, provider: ResourceId) -> IntegrationOut:
    """The connection to a provider: its health, the lag of its syncs, and its last error.

    404 `integration_not_found` if the provider was never connected.
    """
    provider_named(unit.settings, provider)
    row = connecting.find(unit, provider)
    if row is None:
        raise NotFound(f"{provider} was never connected", code="integration_not_found")
    return shown(unit, row)


@router.post("/{provider}/connect", response_model=ConnectedOut, dependencies=[ADMIN])
@audited("integration.connect")
def connect_integration(
    unit: UnitOfWork,
    provider: ResourceId,  # noqa: ARG001 - `checked_wanted` reads it
    body: ConnectIntegration,  # noqa: ARG001 - so it does
    wanted: Annotated[Wanted, Depends(checked_wanted)],
    server: Server,
    base: BaseUrl,
) -> Connecting | ConnectedOut:
    """Connect a provider, or connect it again with other settings.

    The body has the settings of the provider. With an API key the answer is `connected`, after
    the key was tested; a key that does not work is a 422 `connect_failed` with the reason. In the
    other flows, a user has to open `authorize_url`, or enter `user_code` at `verification_uri`,
    until `expires_at`. An unfinished flow is replaced. A sync begins when the flow is complete.
    """
    if wanted.flow is Flow.OAUTH:
        row = connecting.found_or_new(unit, wanted)
        url = connecting.begin_oauth(unit, row, wanted, f"{base}{CALLBACK}")
        return ConnectedOut(
            flow=wanted.flow,
            status=_status(row),
            authorize_url=url,
            expires_at=row.pending_until,
        )
    if wanted.flow is Flow.DEVICE:
        return ExternalCall(
            lambda: _device_grant(server, wanted), lambda grant: _with_device(unit, wanted, grant)
        )
    if wanted.flow is Flow.SECRET:
        return _completed(unit, wanted)
    credentials = Credentials(wanted.whole)
    return ExternalCall(
        lambda: service.probed(server, wanted.provider, None, credentials),
        lambda outcome: _with_key(unit, wanted, outcome),
    )


@router.post("/{provider}/test", response_model=ProviderTested, dependencies=[ADMIN])
@audited("integration.test")
def test_integration(
    unit: UnitOfWork, provider: ResourceId, server: Server
) -> ExternalCall[service.Outcome, ProviderTested]:
    """Test the credentials at the provider, and return the specific reason of a failure.

    A failed test is a 200 with `ok: false`. 409 `not_connected` if there are no credentials.
    """
    known, row = service.connected(unit, provider)
    integration_id = row.id

    def finish(outcome: service.Outcome) -> ProviderTested:
        service.note_test(unit, provider, outcome)
        return outcome.shown

    return ExternalCall(lambda: service.probed(server, known, integration_id), finish)


@router.post("/{provider}/sync", status_code=202, dependencies=[ADMIN])
@audited("integration.sync")
def sync_integration(unit: UnitOfWork, provider: ResourceId) -> SyncStartedOut:
    """Begin a sync now. 409 `sync_in_progress` if one waits or runs."""
    return SyncStartedOut(sync_id=service.start_sync(unit, provider).id)


@router.get("/{provider}/syncs", dependencies=[ADMIN])
def list_syncs(
    unit: UnitOfWork, pages: Pages, provider: ResourceId, query: Annotated[PageQuery, Query()]
) -> SyncsOut:
    """The syncs of a provider, newest first, with counts for each kind of resource."""
    page = service.syncs_of(unit, pages, provider, query)
    return SyncsOut.of(page, lambda sync: _sync_out(unit, sync))


@router.get("/{provider}/resources", dependencies=[ADMIN])
@cached(by="rows")
def list_resources(
    unit: UnitOfWork,
    pages: Pages,
    provider: ResourceId,
    query: Annotated[ResourceQuery, Query()],
) -> ResourcesOut:
    """The resources that syncs and hooks of a provider have delivered, oldest first."""
    page = service.resources_of(unit, pages, provider, query)
    return ResourcesOut.of(page, ResourceOut.model_validate)


@router.delete("/{provider}", status_code=204, response_model=None, dependencies=[ADMIN])
@audited("integration.disconnect")
def disconnect_integration(
    unit: UnitOfWork, provider: ResourceId, server: Server
) -> ExternalCall[None, None]:
    """Disconnect a provider: delete its credentials, cancel its jobs, and revoke the credentials at
    the provider, if it can. Imported resources stay, until a sync of another account replaces
    them."""
    known, credentials = service.disconnect(unit, provider)
    return ExternalCall(lambda: service.revoke(server, known, credentials), lambda _: None)


def _described(provider: Provider) -> ProviderOut:
    return ProviderOut(
        name=provider.name,
        title=provider.title,
        verified=provider.verified,
        flows=list(provider.flows),
        kinds=list(provider.kinds),
        hooks=provider.hooks,
        settings_schema=provider.Settings.model_json_schema(),
    )


def _status(row: Integration) -> Status:
    return cast("Status", row.status)


def _device_grant(server: ServerContext, wanted: Wanted) -> DeviceGrant:
    client = wanted.provider.oauth(wanted.settings)
    try:
        return request_device(exchange_of(server), client)
    except (Refused, ProviderFault) as problem:
        raise Impossible(
            f"the provider begins no device flow: {problem}", code="connect_failed"
        ) from None


def _with_device(unit: Unit, wanted: Wanted, grant: DeviceGrant) -> ConnectedOut:
    row = connecting.found_or_new(unit, wanted)
    connecting.begin_device(unit, row, wanted, grant)
    return ConnectedOut(
        flow=wanted.flow,
        status=_status(row),
        user_code=grant.user_code,
        verification_uri=grant.verification_uri,
        verification_uri_complete=grant.verification_uri_complete,
        interval=grant.interval_s,
        expires_at=row.pending_until,
    )


def _with_key(unit: Unit, wanted: Wanted, outcome: service.Outcome) -> ConnectedOut:
    if outcome.fault is not None:
        raise Impossible(f"{outcome.fault.reason}: {outcome.detail}", code="connect_failed")
    return _completed(unit, wanted)


def _completed(unit: Unit, wanted: Wanted) -> ConnectedOut:
    row = connecting.found_or_new(unit, wanted, replaced=True)
    credentials = Credentials(wanted.whole)
    connection = Connection(wanted.provider, wanted.flow, credentials, wanted.public)
    connecting.complete(unit, row, connection, user_id=unit.actor.id, action="integration.connect")
    return ConnectedOut(flow=wanted.flow, status="connected")


def _sync_out(unit: Unit, sync: IntegrationSync) -> SyncOut:
    end = sync.ended_at or unit.now()
    lag = max(0.0, (end - sync.created_at).total_seconds())
    return SyncOut.of_row(sync, lag_s=lag, error=sync.fault)
