"""What an admitted request carries: the server for its tenant, its principal, its origin."""

from __future__ import annotations

from starlette.requests import Request

from novaql.server.auth.roles import Principal, Role
from novaql.server.db.unit import Origin
from novaql.server.tenants.context import ServerContext


def context_of(request: Request) -> ServerContext:
    """The server that a request came to, scoped to its tenant once it is let in."""
    found = request.scope["state"].get("context") or request.app.state.context
    assert isinstance(found, ServerContext)
    return found


def principal_of(request: Request) -> Principal:
    """Who makes the request; set once it is let in."""
    found = request.scope["state"]["principal"]
    assert isinstance(found, Principal)
    return found


def runs_the_server(request: Request) -> bool:
    """Whether a request may see facts of the whole server: an administrator of the first tenant."""
    principal, context = principal_of(request), context_of(request)
    return (
        principal.role is Role.ADMIN
        and principal.tenant_id == context.access.default_principal.tenant_id
    )


def origin_of(request: Request) -> Origin:
    """Where the request comes from, for audit entries."""
    address = request.client.host if request.client else None
    agent = request.headers.get("user-agent")
    return Origin(request_id_of(request), address, None if agent is None else agent[:500])


def request_id_of(request: Request) -> str:
    """The id that the answer will carry."""
    found = request.scope["state"]["request_id"]
    assert isinstance(found, str)
    return found
