"""JSON bodies of the API: size limit and strict validation before FastAPI reads them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from novaql.server.errors import InvalidRequest, UnsupportedMedia
from novaql.server.http.body_reader import content_encoding, media_type, read_body
from novaql.server.http.query import check_query
from novaql.server.http.request import context_of, version_of
from novaql.server.http.strict_json import parse_json, validate
from novaql.server.http.unpacking import whole
from novaql.server.versions import to_current

Model = TypeVar("Model", bound=BaseModel)
Read = TypeVar("Read")
_WHITESPACE = b" \t\r\n"  # of JSON
_INLINE_BYTES = 4096
"""Larger bodies are parsed in a thread: 1 MiB takes tens of milliseconds."""


class ModelRequest(Request):
    """A request whose body is a validated model.

    FastAPI reads the body by `body()` and `json()` and validates the result. It accepts an instance
    of the right model unchanged.

    sent  the bytes of the body, unpacked
    """

    sent: bytes
    model: BaseModel | None

    async def body(self) -> Any:
        return self.model

    async def json(self) -> Any:
        return self.model


async def read_model(request: Request, model: type[BaseModel] | None, route: str) -> ModelRequest:
    """Return the request with its body as `model`; None: the endpoint has no body.

    The body may be compressed with gzip. Raises `InvalidRequest` with JSON pointers,
    `UnsupportedMedia` or `BodyTooLarge`. An empty body counts as an object without fields.
    """
    context = context_of(request)
    found = ModelRequest(request.scope, request.receive)
    limit = context.settings.max_body_bytes
    packed = await read_body(request, limit=limit, encodings=("gzip",))
    found.sent = whole(packed, content_encoding(request), limit=limit)
    found.model = None
    if model is None:
        if found.sent.strip(_WHITESPACE) not in (b"", b"{}"):
            raise InvalidRequest("this endpoint accepts no body")
        return found
    if found.sent and media_type(request) != "application/json":
        raise UnsupportedMedia("this endpoint accepts application/json")
    read = partial(_parsed, model, found.sent, version_of(request), route)
    found.model = await off_the_loop(request, read, len(found.sent))
    return found


async def read_json(request: Request, model: type[Model], *, limit: int) -> Model:
    """Return the body as a model, for an endpoint without query parameters.

    Raises `InvalidRequest`, `UnsupportedMedia` or `BodyTooLarge`.
    """
    check_query(request, None)
    if media_type(request) != "application/json":
        raise UnsupportedMedia("this endpoint accepts application/json")
    sent = await read_body(request, limit=limit)
    return await off_the_loop(request, lambda: validate(model, parse_json(sent)), len(sent))


async def off_the_loop(request: Request, read: Callable[[], Read], size: int) -> Read:
    """Return what `read` makes of so many bytes: in a thread if they are many."""
    if size <= _INLINE_BYTES:
        return read()
    principal = request.scope["state"].get("principal")  # None: the endpoint needs no token
    tenant = "" if principal is None else principal.tenant_id
    return await context_of(request).pools.readers.run(read, tenant=tenant)


def _parsed(model: type[BaseModel], sent: bytes, version: str, route: str) -> BaseModel:
    value = parse_json(sent) if sent.strip(_WHITESPACE) else {}
    return validate(model, to_current(version, route, value))
