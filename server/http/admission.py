"""Admission: the checks of token, API version, quota and role before a request is handled."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request

from novaql.server.auth.credentials import authorize, credential_of, unauthenticated
from novaql.server.auth.rate_limits import Quota, rate_headers
from novaql.server.auth.roles import Principal, Role
from novaql.server.bases import is_client
from novaql.server.db.tables import BrowserSession, Token, User
from novaql.server.errors import Forbidden, RateLimited
from novaql.server.http.request import unit_for
from novaql.server.tenants.context import ServerContext
from novaql.server.versions import chosen_version

PRINCIPAL_TABLES = tuple(table.__tablename__ for table in (Token, User, BrowserSession))
"""The tables that decide whether a token or a session is valid."""


class Admitted(Protocol):
    """The requirements of a route.

    quota    the quotas that a request spends: `api`, `prometheus`, or None
    samples  the tenant's store is opened before the endpoint runs
    action   of the audit entry, which a rejected write leaves too
    """

    quota: str | None
    samples: bool
    action: str | None


async def admit(request: Request, route: Admitted, role: Role) -> None:
    """Admit a request or raise an error. Sets the principal and the context in `request.state`."""
    context: ServerContext = request.app.state.context
    principal = await _principal(request, context)
    await context.access.starts.wait(principal.tenant_id)
    scoped = context.scoped(principal)
    path, state = request.scope["path"], request.scope["state"]
    state["principal"] = principal
    state["context"] = scoped
    if context.access.accounts is not None:
        context.access.accounts.note_use(principal)
        await _spend(request, scoped, principal, route.quota)
    if path.startswith("/v1/") and not is_client(path):
        requested = state["headers"].get(b"api-version")
        state["api_version"] = chosen_version(requested, principal.api_version)
    try:
        authorize(principal, role, path)
    except Forbidden:
        action = route.action
        if request.method != "GET" and action is not None:
            await context.pools.state.run(
                lambda: _record_denial(request, action), tenant=principal.tenant_id
            )
        raise
    if route.samples and not context.stores.is_open(principal.tenant_id):
        tenant = principal.tenant_id
        await context.pools.state.run(lambda: context.stores.of(tenant), tenant=tenant)


async def still_admitted(request: Request) -> bool:
    """Return whether the token or session of an admitted request is still valid, for an answer that
    takes long. It spends no quota."""
    context: ServerContext = request.app.state.context
    accounts = context.access.accounts
    if accounts is None:
        return True
    secret = credential_of(request.scope)
    found = accounts.remembered(secret) or await context.pools.state.run(
        lambda: accounts.find(secret)
    )
    return found is not None


async def _principal(request: Request, context: ServerContext) -> Principal:
    accounts = context.access.accounts
    if accounts is None:
        return context.access.default_principal
    secret = credential_of(request.scope)
    if secret:
        found = accounts.remembered(secret) or await context.pools.state.run(
            lambda: accounts.find(secret)
        )
        if found is not None:
            return found
    await context.access.unauthenticated_limit.count(request)
    raise unauthenticated(given=bool(secret))


async def _spend(
    request: Request, context: ServerContext, principal: Principal, quota: str | None
) -> None:
    if principal.session_id is not None and quota == "api":
        quota = "session"
    plan = context.access.quota_plan.get(quota or "", ())
    if not plan:
        return
    wanted: list[tuple[Quota, str]] = [
        (q, principal.id if q.window_s == 60 else principal.tenant_id) for q in plan
    ]
    states = context.access.quotas.spend_at_once(wanted)
    if states is None:
        try:
            states = await context.pools.state.run(
                lambda: context.access.quotas.spend(wanted), tenant=principal.tenant_id
            )
        except RateLimited as refusal:
            # A client above its quota must not fill the audit log or the database.
            request.state.refused = "quota"
            raise refusal from None
    if not is_client(request.scope["path"]):
        request.state.rate_headers = rate_headers(states)


def _record_denial(request: Request, action: str) -> None:
    named = [str(value) for value in request.path_params.values()]
    with unit_for(request, writes=True) as unit:
        target = (action.partition(".")[0], named[0] if named else "")
        unit.audit(action, target, outcome="denied")
