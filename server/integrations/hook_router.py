"""/v1/integrations/{provider}/hooks, and the address that receives requests of other systems."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Annotated

from fastapi import Query
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from novaql.server.auth.roles import Principal, Role
from novaql.server.db.rows import Tenant
from novaql.server.db.unit import Actor
from novaql.server.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    RateLimited,
    UnsupportedMedia,
)
from novaql.server.http.body_reader import media_type, read_body
from novaql.server.http.data_route import DataRoute
from novaql.server.http.dependencies import ADMIN, Pages, ResourceId, UnitOfWork, usable
from novaql.server.http.pagination import PageQuery
from novaql.server.http.query import check_query
from novaql.server.http.request import context_of, origin_of
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.integrations import hooks, receiving
from novaql.server.integrations.hook_schema import (
    CreatedHook,
    CreateHook,
    HookOut,
    HookRequestOut,
    HookRequestsOut,
    HooksOut,
    ReceivedOut,
)
from novaql.server.integrations.masking import masked_body
from novaql.server.integrations.providers import provider_named
from novaql.server.integrations.receiving import Received
from novaql.server.integrations.tables import IntegrationHook
from novaql.server.tenants.context import ServerContext

router = api_router("/v1/integrations", "integrations")


@router.get("/{provider}/hooks", dependencies=[ADMIN])
@cached(by="rows")
def list_hooks(
    unit: UnitOfWork, pages: Pages, provider: ResourceId, query: Annotated[PageQuery, Query()]
) -> HooksOut:
    """The hooks of a provider, oldest first."""
    return HooksOut.of(hooks.find(unit, pages, provider, query), hooks.shown)


@router.post("/{provider}/hooks", status_code=201, dependencies=[ADMIN])
@audited("integration_hook.create")
def create_hook(
    unit: UnitOfWork, provider: ResourceId, body: CreateHook, response: Response
) -> CreatedHook:
    """Create a hook: an address that receives requests of another system. Only this answer has its
    secret. 409 `no_hooks` for a provider that sends no requests."""
    hook, secret = hooks.create(unit, provider, body)
    response.headers["Location"] = f"/v1/integrations/{provider}/hooks/{hook.id}"
    return CreatedHook(**hooks.shown(hook).model_dump(), secret=secret)


@router.get("/{provider}/hooks/{id}", dependencies=[ADMIN])
@cached(by="rows")
def get_hook(unit: UnitOfWork, provider: ResourceId, id: ResourceId) -> HookOut:
    """One hook, without its secret."""
    return hooks.shown(hooks.hook_of(unit, provider, id))


@router.get("/{provider}/hooks/{id}/requests", dependencies=[ADMIN])
@cached(by="rows")
def list_hook_requests(unit: UnitOfWork, provider: ResourceId, id: ResourceId) -> HookRequestsOut:
    """The last requests to a hook, the newest first, with secrets masked. Rejected ones are there
    with the reason."""
    rows = hooks.requests_of(unit, provider, id)
    return HookRequestsOut(data=[HookRequestOut.model_validate(row) for row in rows])


@router.delete("/{provider}/hooks/{id}", status_code=204, dependencies=[ADMIN])
@audited("integration_hook.delete")
def delete_hook(unit: UnitOfWork, provider: ResourceId, id: ResourceId) -> None:
    """Delete a hook. Later requests to it are rejected."""
    hooks.remove(unit, provider, id)


async def receive_webhook(request: Request) -> Response:
    """Receive a request of another system. The secret of the hook, in the header that its
    configuration names, authorizes it: 403 `invalid_hook` otherwise. A body that does not fit the
    configuration is a 400 with JSON pointers. A message that was accepted before has no further
    effect."""
    check_query(request, None)
    context = context_of(request)
    if media_type(request) != "application/json":
        raise UnsupportedMedia("hooks accept application/json")
    body = await read_body(request, limit=context.settings.integration_hook_bytes)
    headers = {name.lower(): value for name, value in request.headers.items()}
    received = Received(usable(request.path_params["hook_id"]), headers, body)
    try:
        scoped = await context.pools.state.run(lambda: _opened(context, received))
    except Forbidden:
        await context.access.unauthenticated_limit.count(request)
        raise
    request.scope["state"]["context"] = scoped
    _RATES.count(context, received.hook_id)
    run = partial(_received, request, scoped, received)
    found = await context.pools.state.run(run, tenant=scoped.tenant_id)
    return JSONResponse(found.model_dump(mode="json"), status_code=202)


class _Rates:
    """Requests to each hook in the current minute, in this process."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = Lock()

    def count(self, context: ServerContext, hook_id: str) -> None:
        """Raise `RateLimited` above the limit."""
        most = context.settings.integration_hook_per_minute
        minute = int(context.clock.now().timestamp() // 60)
        with self._lock:
            begun, count = self._seen.pop(hook_id, (minute, 0))
            count = count + 1 if begun == minute else 1
            self._seen[hook_id] = minute, count
            if len(self._seen) > 10_000:
                self._seen.popitem(last=False)
        if most and count > most:
            raise RateLimited("too many requests to this hook", headers={"Retry-After": "60"})


_RATES = _Rates()


def _opened(context: ServerContext, received: Received) -> ServerContext:
    """Return the context of the hook's tenant. Raises `Forbidden`, the same for an unknown hook and
    a wrong secret."""
    refused = Forbidden("the hook is unknown, or the secret is wrong", code="invalid_hook")
    with context.database.read(None) as session:
        found = session.execute(
            select(IntegrationHook, Tenant)
            .join(Tenant, Tenant.id == IntegrationHook.tenant_id)
            .where(IntegrationHook.id == received.hook_id)
        ).one_or_none()
        if found is None:
            raise refused
        hook, tenant = found[0], found[1]
        place = f"{tenant.id}:integration_hook:{hook.id}:secret"
        secret = context.keys.unseal(hook.secret, purpose=place)
        provider = provider_named(context.settings, hook.provider)
        principal = Principal(
            id=hook.id,
            name="integration hook",
            role=Role.READ_ONLY,
            api_version=context.access.default_principal.api_version,
            tenant_id=tenant.id,
            tenant_name=tenant.name,
            user_id=hook.id,
            user_name=hook.name,
            limits=tenant.limits,
        )
        signature = receiving.signature_of(provider, hook.config)
    if not receiving.is_authentic(signature, secret, received):
        raise refused
    return context.scoped(principal)


def _received(request: Request, context: ServerContext, received: Received) -> ReceivedOut:
    principal = context.principal
    assert principal is not None
    actor, origin = Actor("system", principal.id, principal.user_name), origin_of(request)
    received = replace(received, shown=masked_body(received.body))
    try:
        with context.unit(actor, origin, writes=False) as unit:
            hook = unit.get(IntegrationHook, received.hook_id, "hook")
            outcome, key = receiving.understood(unit, hook, received)
        with context.unit(actor, origin, writes=True) as unit:
            hook = unit.get(IntegrationHook, received.hook_id, "hook", lock=True)
            return receiving.take(unit, hook, received, outcome, key)
    except (InvalidRequest, Conflict) as problem:
        with context.unit(actor, origin, writes=True) as unit:
            found = unit.find(IntegrationHook, received.hook_id, lock=True)
            if found is not None:
                receiving.rejected(unit, found, received, problem)
        raise


RECEIVER = DataRoute(
    ("POST",),
    f"{hooks.PATH}/{{hook_id}}",
    receive_webhook,
    None,
    "integrations",
    errors=(400, 403, 409, 413, 415, 429, 503),
    answer=ReceivedOut,
    takes=("application/json",),
    success=202,
    samples=False,
)
