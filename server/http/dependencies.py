"""Parameters of endpoints that FastAPI provides.

    @router.post("/{id}", dependencies=[OPERATOR])
    @audited("user.update")
    def change_user(unit: UnitOfWork, id: ResourceId, body: ChangeUser) -> UserOut: ...

All dependencies are coroutines: FastAPI would run each plain function in a thread.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from pydantic import BeforeValidator
from starlette.requests import Request

from novaql.server.auth.roles import Principal, Role
from novaql.server.http.admission import admit
from novaql.server.http.answers import version_in
from novaql.server.http.pagination import Pager
from novaql.server.http.request import context_of, principal_of, version_of
from novaql.server.http.unit_of_work import RequestUnit, request_unit
from novaql.server.tenants.context import ServerContext


class Requires:
    """Admits requests whose token has a role, within their quotas. Rejects all others.

    `NovaRoute` calls it before FastAPI reads the body. A request is admitted only once.
    """

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, request: Request) -> None:
        state = request.scope["state"]
        if "principal" not in state:
            await admit(request, request.scope["route"], self.role)


READ_ONLY = Depends(Requires(Role.READ_ONLY))
OPERATOR = Depends(Requires(Role.OPERATOR))
ADMIN = Depends(Requires(Role.ADMIN))


async def samples() -> None:
    """Mark an endpoint that reads or writes samples.

    The process that owns the stores answers it, and opens the tenant's store before it runs.
    """


SAMPLES = Depends(samples)


async def caller(request: Request) -> Principal:
    """Return the principal of the request."""
    return principal_of(request)


async def server(request: Request) -> ServerContext:
    """Return the server, scoped to the tenant of the request."""
    return context_of(request)


async def pager(request: Request) -> Pager:
    """Return the pager of the list at this path."""
    context = context_of(request)
    return Pager(context.keys, principal_of(request).tenant_id, request.scope["path"])


async def api_version(request: Request) -> str:
    """Return the API version of the request."""
    return version_of(request)


async def if_match(request: Request) -> int | None:
    """Return the `version` in the If-Match header; None without the header."""
    return version_in(request.headers)


async def base_url(request: Request) -> str:
    """Return the URL of this server for clients: `public_url` of the settings, or the URL of the
    request."""
    public = context_of(request).settings.public_url
    host = request.headers.get("host", "localhost")
    return public or f"{request.scope['scheme']}://{host}"


def usable(text: str) -> str:
    """Return a text of a path if databases accept it; otherwise a text that no row has."""
    return "(not a name)" if "\0" in text or len(text) > 512 else text


ResourceId = Annotated[str, Path(min_length=1), BeforeValidator(usable)]
"""The id or name in a path. A text that databases reject leads to a 404."""

UnitOfWork = Annotated[RequestUnit, Depends(request_unit)]
Caller = Annotated[Principal, Depends(caller)]
Server = Annotated[ServerContext, Depends(server)]
Pages = Annotated[Pager, Depends(pager)]
ApiVersion = Annotated[str, Depends(api_version)]
IfMatch = Annotated[int | None, Depends(if_match)]
BaseUrl = Annotated[str, Depends(base_url)]
