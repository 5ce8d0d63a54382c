"""/v1/integrations/callback: the redirect of the code flow. Its `state` authorizes the request."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Query
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.auth.roles import Principal, Role
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import User
from novaql.server.errors import Impossible, InvalidRequest, MethodNotAllowed
from novaql.server.http.request import context_of, origin_of
from novaql.server.http.routing import api_router
from novaql.server.integrations.connecting import (
    Connection,
    Pending,
    complete,
    digest,
    end_pending,
    may_finish,
    pending_of,
    without_sync,
)
from novaql.server.integrations.credentials import Credentials
from novaql.server.integrations.link import exchange_of
from novaql.server.integrations.oauth import Refused, Tokens, exchange_code
from novaql.server.integrations.provider import Flow, Provider, ProviderFault
from novaql.server.integrations.providers import provider_named
from novaql.server.integrations.schema import CallbackOut, CallbackQuery
from novaql.server.integrations.shown import note_fault
from novaql.server.integrations.tables import Integration
from novaql.server.tenants.context import ServerContext

router = api_router("/v1/integrations", "integrations")
PATH = "/v1/integrations/callback"


@router.get("/callback", responses={422: {}})
async def finish_authorization(
    request: Request, query: Annotated[CallbackQuery, Query()], response: Response
) -> CallbackOut:
    """The redirect URI of the code flow: a provider sends the user's browser here.

    `state` is valid once, until it expires, for the provider and the tenant that it was created
    for, and while the user who began may connect integrations. 400 `invalid_state` otherwise.
    """
    if request.scope["state"]["only_head"]:  # a link preview must not use it up
        raise MethodNotAllowed("this address supports only GET", headers={"Allow": "GET"})
    context = context_of(request)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    try:
        scoped = await context.pools.state.run(lambda: _opened(context, query.state))
    except InvalidRequest:
        await context.access.unauthenticated_limit.count(request)
        raise
    request.scope["state"]["context"] = scoped
    return await scoped.pools.outside.run(
        lambda: _finish(request, scoped, query), tenant=scoped.tenant_id
    )


def _refusal() -> InvalidRequest:
    return InvalidRequest("this state is unknown, used or expired", code="invalid_state")


def _opened(context: ServerContext, state: str) -> ServerContext:
    """Return the context of the tenant and user of a state. Raises `InvalidRequest`."""
    with context.database.read(None) as session:
        found = session.execute(
            select(Integration, Tenant, User)
            .join(Tenant, Tenant.id == Integration.tenant_id)
            .outerjoin(User, User.id == Integration.pending_user)
            .where(Integration.state_digest == digest(state))
        ).one_or_none()
        if found is None:
            raise _refusal()
        row, tenant = found[0], found[1]
        user: User | None = found[2]
        usual = context.access.default_principal
        if not may_finish(context, row, user):
            raise _refusal()
        principal = Principal(
            id=row.id,
            name="integration callback",
            role=Role.ADMIN,
            api_version=usual.api_version,
            tenant_id=tenant.id,
            tenant_name=tenant.name,
            user_id=row.pending_user or "",
            user_name=usual.user_name if user is None else user.email,
            limits=tenant.limits,
        )
    return context.scoped(principal)


def _finish(request: Request, context: ServerContext, query: CallbackQuery) -> CallbackOut:
    """Use the state up, redeem the code without a transaction, and store the tokens."""
    principal = context.principal
    assert principal is not None
    actor, origin = context.actor_of(principal), origin_of(request)
    with context.unit(actor, origin, writes=True) as unit:
        row = unit.get(Integration, principal.id, "integration", lock=True)
        if digest(query.state) != row.state_digest:
            raise _refusal()
        row.state_digest = None
        provider = provider_named(unit.settings, row.provider)
        pending = pending_of(unit, row)
        late = row.pending_until is None or row.pending_until <= unit.now()
        sealed = row.pending
        problem = _problem(provider, pending, query)
        if late or problem is not None:
            end_pending(unit, row, "expired" if late else "denied")
        else:  # the flow must not expire while the provider redeems the code
            least = unit.now() + timedelta(seconds=2 * unit.settings.integration_timeout_s)
            row.pending_until = max(row.pending_until or least, least)
    if late or pending is None:
        raise _refusal()
    if problem is not None:
        raise problem
    try:
        tokens = _redeemed(context, provider, pending, query.code or "")
    except (Refused, ProviderFault) as fault:
        with context.unit(actor, origin, writes=True) as unit:
            row = unit.get(Integration, principal.id, "integration", lock=True)
            if row.pending == sealed:
                end_pending(unit, row, "denied")
                if row.credentials is None and isinstance(fault, ProviderFault):
                    note_fault(unit, row, fault)
        raise Impossible(
            f"the provider does not redeem the code: {fault}", code="exchange_failed"
        ) from None
    with context.unit(actor, origin, writes=True) as unit:
        own = without_sync(unit, principal.id)
        # Another flow may have begun, or a user may have disconnected the integration.
        if own is None or own.pending != sealed:
            raise _refusal()
        credentials = Credentials(pending.settings).with_tokens(tokens)
        connection = Connection(provider, Flow.OAUTH, credentials, pending.public)
        complete(unit, own, connection, user_id=principal.user_id, action="integration.authorize")
        return CallbackOut(provider=own.provider, status="connected")


def _problem(
    provider: Provider, pending: Pending | None, query: CallbackQuery
) -> InvalidRequest | None:
    """Why there is no code to redeem, or its sender is not the provider."""
    if pending is None:
        return _refusal()
    issuer = provider.oauth(provider.Settings.model_validate(pending.settings)).issuer
    if issuer is not None and query.iss != issuer:
        return InvalidRequest("the issuer is not the one of the provider", code="wrong_issuer")
    if query.error is not None:
        return InvalidRequest(
            f"the provider has not authorized it: {query.error}", code="authorization_denied"
        )
    if query.code is None:
        return InvalidRequest("there is no code", code="validation_error")
    return None


def _redeemed(context: ServerContext, provider: Provider, pending: Pending, code: str) -> Tokens:
    client = provider.oauth(provider.Settings.model_validate(pending.settings))
    return exchange_code(
        exchange_of(context),
        client,
        code,
        pending.redirect_uri or "",
        pending.verifier or "",
        context.clock.now(),
    )
