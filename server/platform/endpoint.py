"""One row of the route table, and how it becomes a FastAPI route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from server.platform.api_version import chosen_version
from server.platform.auth import authenticate, authorize
from server.platform.context import context_of
from server.platform.scopes import Role

Handler = Callable[[Request], Awaitable[Response]]
NO_ROLE = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path, its methods, and what a token must be to use it.

    role         None: open to everyone, no token is looked at
    errors       status codes beside 200 that it answers with
    answer       model of the 200 answer, for the OpenAPI document
    media        content types of the 200 answer beside JSON
    body         model of the JSON body
    parameters   names of query (or form) parameters → description
    """

    methods: tuple[str, ...]
    path: str
    handler: Handler
    role: Role | None
    tag: str
    errors: tuple[int, ...] = ()
    answer: type[BaseModel] | None = None
    media: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    success: int = 200
    documented: bool = True


class ErrorDetail(BaseModel):
    """One field that is wrong."""

    pointer: str = Field(description="JSON pointer into the body; empty for all of it")
    message: str


class ErrorBody(BaseModel):
    """What went wrong. The position is there when a query text is at fault."""

    code: str = Field(description="stable; switch on this")
    message: str = Field(description="one sentence for a person")
    request_id: str = Field(pattern="^req_[0-7][0-9A-HJKMNP-TV-Z]{25}$")
    details: list[ErrorDetail] | None = None
    line: int | None = Field(None, ge=1)
    column: int | None = Field(None, ge=1)
    length: int | None = Field(None, ge=1)
    suggestion: str | None = None
    picture: str | None = Field(None, description="the line of the query with carets below")


class ErrorEnvelope(BaseModel):
    """Every answer that is no success."""

    model_config = ConfigDict(title="ErrorEnvelope")
    error: ErrorBody


class PrometheusError(BaseModel):
    """Every answer of the Prometheus base that is no success."""

    status: str = Field(pattern="^error$")
    errorType: str
    error: str


def admit(role: Role | None) -> Callable[[Request], None]:
    """A dependency that lets the right requests in."""

    def check(request: Request) -> None:
        if role is None:
            return
        principal = authenticate(request, context_of(request).tokens)
        request.state.principal = principal
        if request.url.path.startswith("/v1/"):
            asked = request.headers.get("api-version")
            request.state.api_version = chosen_version(asked, principal.api_version)
        authorize(principal, role)

    return check


def add_endpoint(app: FastAPI, endpoint: Endpoint) -> None:
    """Hang a row of the table into the application, one route a method."""
    for method in endpoint.methods:
        app.add_api_route(
            endpoint.path,
            endpoint.handler,
            methods=[method],
            tags=[endpoint.tag],
            operation_id=operation_id(endpoint, method),
            summary=_summary(endpoint),
            description=endpoint.handler.__doc__,
            dependencies=[Depends(_async(admit(endpoint.role)))],
            response_class=Response,
            include_in_schema=endpoint.documented,
            response_model=None,
        )


def operation_id(endpoint: Endpoint, method: str) -> str:
    """Stable, unique, and safe in URLs."""
    words = endpoint.path.strip("/").replace("{", "by_").replace("}", "").replace("-", "")
    parts = words.replace(".", "_").replace("/", "_").split("_")
    return "_".join([method.lower(), *[part for part in parts if part]])


def _summary(endpoint: Endpoint) -> str:
    return (endpoint.handler.__doc__ or "").strip().split("\n", 1)[0].rstrip(".")


def _async(check: Callable[[Request], None]) -> Callable[[Request], Awaitable[None]]:
    # A coroutine stays on the event loop; a plain function would cost a trip to a thread.
    async def dependency(request: Request) -> None:
        check(request)

    return dependency


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """JSON schema whose references point into the OpenAPI document."""
    return model.model_json_schema(ref_template="#/components/schemas/{model}")
