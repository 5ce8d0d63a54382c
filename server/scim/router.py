"""/scim/v2 and /v1/scim/v2: the same service on two mounts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from novaql.lazy_exports import lazy_module
from novaql.server.auth.roles import Role
from novaql.server.bases import SCIM_BASES
from novaql.server.errors import InvalidRequest
from novaql.server.http.body_reader import read_body
from novaql.server.http.data_route import DataRoute
from novaql.server.http.query import parameters_of
from novaql.server.http.request import context_of, principal_of
from novaql.server.http.strict_json import check_values, parse_json
from novaql.server.tenants.context import ServerContext

if TYPE_CHECKING:
    from scim2_server.responses import ScimResponse

    from novaql.server.scim import answering
else:  # SCIM's models take a second to build: the first SCIM request imports them
    answering = lazy_module("novaql.server.scim.answering")

_OF_URLS = "%/:?#[]@!$&'()*+,;=~"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


async def scim(request: Request) -> Response:
    """SCIM 2.0 (RFC 7643, 7644): Users, Groups, search, bulk and discovery.

    This is the base URL for an identity provider, with a token of purpose `scim`.
    """
    context = context_of(request)
    body = await read_body(request, limit=context.settings.max_body_bytes)
    base = next(base for base in SCIM_BASES if request.url.path.startswith(base))
    fields = {
        "method": request.method,
        "base_url": _base_url(request, context, base),
        "path": request.url.path.removeprefix(base),
        "query": dict(parameters_of(request)),
        "headers": list(request.headers.items()),
        "body": body,
    }
    done, content = await context.pools.state.run(
        lambda: _answered(request, context, fields), tenant=principal_of(request).tenant_id
    )
    headers = {**done.headers, "Location": quote(done.headers["Location"], safe=_OF_URLS)}
    return Response(content, int(done.status), headers)


def _parsed(body: bytes) -> Any:
    try:
        return parse_json(body, any_case=True)  # RFC 7643 2.1: case-insensitive names
    except InvalidRequest as problem:
        raise InvalidRequest(
            problem.message, code="invalid_syntax", details=problem.details
        ) from None


def _answered(
    request: Request, context: ServerContext, fields: dict[str, Any]
) -> tuple[ScimResponse, bytes]:
    """The answer and its body. Runs in a thread: a body of 1 MiB takes some tenths of a second."""
    body = None
    if fields["body"].strip():
        body = _parsed(fields["body"])
        check_values(body)
    done = answering.answered(request, context, fields, body)
    return done, b"" if done.body is None else json.dumps(done.body).encode()


def _base_url(request: Request, context: ServerContext, base: str) -> str:
    public = context.settings.public_url
    return f"{public or f'{request.url.scheme}://{request.url.netloc}'}{base}"


ROUTES = tuple(
    DataRoute(
        methods,
        f"{base}{path}",
        scim,
        Role.ADMIN,
        "scim",
        media=("application/scim+json",),
        documented=False,  # /Schemas and /ResourceTypes describe SCIM
        samples=False,
        action=None if methods == ("GET",) else "scim.write",
    )
    for base in SCIM_BASES
    for methods, path in ((("GET",), "/ServiceProviderConfig"), (_METHODS, "/{path:path}"))
)
