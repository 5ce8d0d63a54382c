"""/scim/v2 and /v1/scim/v2: the same service on two mounts."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from scim2_models import SCIMException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from starlette.requests import Request
from starlette.responses import Response

from server.platform.bodies import read_body
from server.platform.context import ServerContext, context_of, origin_of, principal_of
from server.platform.endpoint import Endpoint
from server.platform.problem import SCIM_BASES
from server.platform.scopes import Role
from server.scim.member_patch import change_members, member_changes
from server.scim.provider import scim_service
from server.scim.storage import TenantStorage

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


async def scim(request: Request) -> Response:
    """SCIM 2.0 (RFC 7643, 7644): what the service offers, Users, Groups, search and bulk.

    Point an identity provider here, with a token of purpose `scim`.
    """
    context = context_of(request)
    body = await read_body(request, limit=context.settings.max_body_bytes)
    base = next(base for base in SCIM_BASES if request.url.path.startswith(base))
    asked = ScimRequest(
        method=request.method,
        base_url=_base_url(request, context, base),
        path=request.url.path.removeprefix(base),
        query=dict(parse_qsl(request.url.query, keep_blank_values=True)),
        headers=list(request.headers.items()),
        body=body,
        subject=principal_of(request),
    )
    done = await context.threads.run(lambda: _serve(request, context, asked))
    content = b"" if done.body is None else json.dumps(done.body).encode()
    return Response(content, int(done.status), dict(done.headers))


def _serve(request: Request, context: ServerContext, asked: ScimRequest) -> ScimResponse:
    """One request in one transaction; an error undoes it whole."""
    service = scim_service()
    actor, origin = context.actor_of(principal_of(request)), origin_of(request)
    writes = request.method != "GET"
    try:
        with context.unit(actor, origin, writes=writes) as unit:
            storage = TenantStorage(unit, service.provider)
            of_members = member_changes(asked)
            if of_members is not None:
                done = change_members(storage.groups, *of_members)
            else:
                done = ScimHandler(service, storage).handle(asked)
    except SCIMException as refused:
        done = service.error_response(refused)
    done.headers.setdefault("Location", asked.url)
    done.headers.setdefault("Cache-Control", "no-cache")
    return done


def _base_url(request: Request, context: ServerContext, base: str) -> str:
    public = context.settings.public_url
    return f"{public or f'{request.url.scheme}://{request.url.netloc}'}{base}"


ENDPOINTS = tuple(
    Endpoint(
        methods,
        f"{base}{path}",
        scim,
        Role.ADMIN,
        "scim",
        media=("application/scim+json",),
        documented=False,  # SCIM describes itself: /Schemas, /ResourceTypes
        samples=False,
        action=None if methods == ("GET",) else "scim.write",
    )
    for base in SCIM_BASES
    for methods, path in ((("GET",), "/ServiceProviderConfig"), (_METHODS, "/{path:path}"))
)
