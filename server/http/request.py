"""State of an admitted request: the server scoped to its tenant, its principal, its origin."""

from __future__ import annotations

from contextlib import AbstractContextManager

from starlette.requests import Request

from novaql.server.auth.roles import Principal, Role
from novaql.server.db.unit import Origin, Unit
from novaql.server.tenants.context import ServerContext
from novaql.server.versions import CURRENT


def context_of(request: Request) -> ServerContext:
    """Return the server of a request, scoped to its tenant after admission."""
    found = request.scope["state"].get("context") or request.app.state.context
    assert isinstance(found, ServerContext)
    return found


def principal_of(request: Request) -> Principal:
    """Return the principal of a request; set by admission."""
    found = request.scope["state"]["principal"]
    assert isinstance(found, Principal)
    return found


def unit_for(request: Request, *, writes: bool) -> AbstractContextManager[Unit]:
    """Begin a transaction in the tenant of a request, for its principal."""
    context, principal = context_of(request), principal_of(request)
    return context.unit(context.actor_of(principal), origin_of(request), writes=writes)


def version_of(request: Request) -> str:
    """Return the API version of a request: the newest one if no token is needed."""
    state = request.scope["state"]
    if "principal" not in state:
        return CURRENT
    version: str = state.get("api_version") or principal_of(request).api_version
    return version


def runs_the_server(request: Request) -> bool:
    """Return whether a request may read facts of the whole server: an administrator of the first
    tenant."""
    principal, context = principal_of(request), context_of(request)
    return (
        principal.role is Role.ADMIN
        and principal.tenant_id == context.access.default_principal.tenant_id
    )


def origin_of(request: Request) -> Origin:
    """Return the origin of the request, for audit entries."""
    address = request.client.host if request.client else None
    agent = request.headers.get("user-agent")
    return Origin(request_id_of(request), address, None if agent is None else agent[:500])


def request_id_of(request: Request) -> str:
    """Return the id of the request, which its answer carries."""
    found = request.scope["state"]["request_id"]
    assert isinstance(found, str)
    return found
