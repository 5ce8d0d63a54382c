"""The route class of the API."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from novaql.server.http.answers import or_unchanged, version_in
from novaql.server.http.bodies import read_model
from novaql.server.http.body_reader import has_body
from novaql.server.http.cache import Cached, cached_response
from novaql.server.http.dependencies import Requires, samples
from novaql.server.http.event_stream import prefers_stream
from novaql.server.http.idempotency import read_key
from novaql.server.http.query import check_query, invalid_query
from novaql.server.http.request import context_of, principal_of, version_of
from novaql.server.http.transaction import Rules, in_transaction

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_STACKS = ("fastapi_middleware_astack", "fastapi_inner_astack", "fastapi_function_astack")
"""The keys under which FastAPI registers callbacks that close files and dependencies; no endpoint
has any."""


def audited(action: str) -> Callable[[Endpoint], Endpoint]:
    """Declare that the endpoint writes the audit entry `action` (`noun.verb`). Requests that are
    rejected for their role are recorded with this action too."""
    return _noting("audit_action", action)


def cached(by: Cached) -> Callable[[Endpoint], Endpoint]:
    """Declare what the answer of a GET depends on besides the request: the tenant's `rows`; also
    measurements of its `samples`; or rows and slowly on the time (`rows, slowly`)."""
    return _noting("cached_by", by)


def spends(quota: str) -> Callable[[Endpoint], Endpoint]:
    """Declare that requests spend another quota than `api` (`auth/rate_limits.py`)."""
    return _noting("quota", quota)


def streamed(stream: Callable[[Request], Awaitable[Response]]) -> Callable[[Endpoint], Endpoint]:
    """Declare that a GET answers with `stream`, a coroutine, if the client prefers a stream of
    events (`event_stream.py`)."""
    return _noting("stream", stream)


def _noting(name: str, value: object) -> Callable[[Endpoint], Endpoint]:
    def note(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, name, value)
        return endpoint

    return note


class NovaRoute(APIRoute):
    """Admits a request, reads its body strictly, and runs its endpoint. Answers to GETs are cached
    in front of FastAPI's dependencies (`cache.py`).

    An endpoint that is a plain function runs in one transaction, in a thread (`transaction.py`),
    which also records its answer under the Idempotency-Key, writes it in the API version of the
    request, and checks its audit entry. A coroutine does all of this itself.

    Its attributes are those of `DataRoute`, and:

    takes_idempotency_key   a repeated request with its key gets the recorded response
    takes_if_match          it checks the row version that the client last read: `version` in the
                            body, or If-Match
    """

    methods: set[str]

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.action: str | None = getattr(endpoint, "audit_action", None)
        self.cached_by: Cached | None = getattr(endpoint, "cached_by", None)
        self.stream = getattr(endpoint, "stream", None)
        self.transactional = not inspect.iscoroutinefunction(endpoint)
        run = endpoint
        if self.transactional:

            @wraps(endpoint)
            async def run(**arguments: Any) -> Response:
                return await in_transaction(self.rules, endpoint, arguments)

        super().__init__(path, run, **options)
        calls = [dependency.dependency for dependency in self.dependencies]
        self.admission = next((call for call in calls if isinstance(call, Requires)), None)
        self.role = None if self.admission is None else self.admission.role
        self.quota: str = getattr(endpoint, "quota", "api")
        self.samples = self.of_the_owner = samples in calls
        # `handle` admits the request before FastAPI solves dependencies.
        solved = self.dependant.dependencies
        solved[:] = [one for one in solved if one.call not in (self.admission, samples)]
        (self.method,) = self.verbs = tuple(self.methods)
        self.body = _model_of(self.body_field)
        self.query = _model_of(next(iter(self.dependant.query_params), None))
        self.documented, self.tag = self.include_in_schema, str(self.tags[0])
        self.answer, self.success = self.response_model, self.status_code or 200
        self.takes_idempotency_key = (
            self.method == "POST"
            and self.transactional
            and self.role is not None
            and not self.samples
        )
        self.takes_if_match = self.body is not None and "version" in self.body.model_fields
        self.rules = Rules(
            self.method, self.path, self.success, self.action, self.samples, self.cached_by
        )
        self.cacheable = (
            self.method == "GET"
            and self.transactional
            and self.admission is not None
            and (not self.samples or self.cached_by == "samples")
        )
        self.parameters: dict[str, str] = {}  # those of rows without models
        self.required: tuple[str, ...] = ()  # likewise
        self.takes: tuple[str, ...] = ()

    @property
    def example(self) -> dict[str, Any] | None:
        """A valid body, if its model has an example."""
        extra = {} if self.body is None else self.body.model_config.get("json_schema_extra")
        examples = extra.get("examples") if isinstance(extra, dict) else None
        return cast("dict[str, Any]", examples[0]) if isinstance(examples, list) else None

    @property
    def has_etag(self) -> bool:
        """Whether its answer has an entity tag: it is one resource with a version, or the endpoint
        declares a 304."""
        if 304 in self.responses:
            return True
        fields = getattr(self.answer, "model_fields", {})
        return "version" in fields and fields["version"].annotation is int

    @property
    def errors(self) -> set[int]:
        """The statuses of its errors: those of its kind, and declared ones."""
        codes = {400, 413, 415, 429, 503}
        codes |= {401} if self.role is not None else set()
        codes |= {404} if "{" in self.path else set()
        codes |= {409, 422} if self.method == "POST" else set()
        return codes | {int(code) for code in self.responses if int(code) >= 400}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        solve_and_run = super().get_route_handler()

        async def respond(request: Request) -> Response:
            check_query(request, self.query)
            if self.takes_if_match:
                version_in(request.headers)  # a malformed header is rejected before the body is
            with self._holding_key(request):
                model = await read_model(request, self.body, self.path)
                async with AsyncExitStack() as stack:
                    request.scope.update(dict.fromkeys(_STACKS, stack))
                    try:
                        return await solve_and_run(model)
                    except RequestValidationError as problem:
                        raise invalid_query(problem.errors()) from None

        self.respond = respond
        return respond

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request and answer it, from the cache if possible."""
        request = Request(scope, receive, send)
        if self.admission is not None:
            await self.admission(request)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self.stream is not None and prefers_stream(request):
            check_query(request, None)
            found: Response = await self.stream(request)
            return found
        if self.method != "GET" or not self.transactional:
            return await self.respond(request)
        if not self.cacheable or has_body(request):
            return or_unchanged(request, await self.respond(request))
        cached = await cached_response(request, self.cached_by, self.respond)
        return or_unchanged(request, cached)

    def _holding_key(self, request: Request) -> Any:
        """Reject a second request with the Idempotency-Key of one that still runs."""
        if self.method != "POST" or self.admission is None or not self.transactional:
            return nullcontext()
        key = read_key(request.headers.get("idempotency-key"))
        if key is None:
            return nullcontext()
        request.scope["state"]["idempotency_key"] = key
        principal = principal_of(request)
        route = f"POST {self.path} {version_of(request)}"
        flights = context_of(request).caches.keys_in_flight
        return flights.holding(principal.tenant_id, principal.id, route, key)


def _model_of(field: Any) -> type[BaseModel] | None:
    model: type[BaseModel] | None = None if field is None else field.field_info.annotation
    return model


def api_router(prefix: str, tag: str) -> APIRouter:
    """Return the router of a domain. Operation ids are the names of endpoints: `listIncidents`."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=NovaRoute,
        generate_unique_id_function=_operation_id,
    )


def routes_of(*routers: APIRouter) -> tuple[NovaRoute, ...]:
    """Return the routes of some routers."""
    found = [route for router in routers for route in router.routes]
    assert all(isinstance(route, NovaRoute) for route in found)
    return tuple(route for route in found if isinstance(route, NovaRoute))


def _operation_id(route: APIRoute) -> str:
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)
