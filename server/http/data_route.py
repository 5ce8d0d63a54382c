"""Routes of the data paths: queries, ingestion, the Prometheus base, SCIM and health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, field
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from novaql.fast_dataclass import dataclass
from novaql.server.auth.roles import Role
from novaql.server.bases import is_client
from novaql.server.http.admission import admit

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(eq=False, repr=False)
class DataRoute(Route):
    """A Starlette route with admission, and with its part of the OpenAPI document.

    verbs        the methods, in the order of the document
    role         the least role that a token must have; None: no token is needed
    errors       statuses of errors, in addition to those of every route
    answer       model of the usual answer
    media        content types of the usual answer besides JSON
    body         model of the JSON body
    takes        content types of a body without a model
    query        model of the query parameters
    parameters   query (or form) parameters without a model: name → description
    required     names of the mandatory ones
    schemas      names of those that are not plain text → more of their JSON Schema
    success      status of the usual answer
    answers      further statuses of success → their models
    action       `noun.verb` of the audit entry, also of a rejected request
    example      a valid body
    samples      it reads or writes samples: the tenant's store is opened before it runs
    local        any process answers it, about itself
    counted      requests count in the quota, although they store samples
    credentials  finds the token where this endpoint takes it besides headers, before admission
    """

    verbs: tuple[str, ...]
    path: str
    handler: Handler
    role: Role | None
    tag: str
    errors: tuple[int, ...] = ()
    _: KW_ONLY
    answer: type[BaseModel] | None = None
    media: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    takes: tuple[str, ...] = ()
    query: type[BaseModel] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    success: int = 200
    answers: Mapping[int, type[BaseModel] | None] = field(default_factory=dict)
    documented: bool = True
    action: str | None = None
    example: Mapping[str, Any] | None = None
    samples: bool = True
    local: bool = False
    counted: bool = False
    credentials: Callable[[Request], Awaitable[None]] | None = None
    methods: set[str] = field(init=False)

    def __post_init__(self) -> None:
        name = self.handler.__name__
        super().__init__(self.path, self.handler, methods=list(self.verbs), name=name)
        self.description = (self.handler.__doc__ or "").strip()
        self.methods = set(self.verbs)  # HEAD becomes GET before the look-up of routes
        # Ingestion of samples is limited by size and by the queue, not by the number of requests.
        usual = "prometheus" if is_client(self.path) else "api"
        stores = self.tag == "ingest" and not self.counted
        self.quota: str | None = None if stores else usual

    @property
    def of_the_owner(self) -> bool:
        """Whether only the process that owns the stores can answer."""
        return self.samples and not self.local

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request and answer it."""
        request = Request(scope, receive, send)
        if self.role is not None:
            if self.credentials is not None:
                await self.credentials(request)
            await admit(request, self, self.role)
        response = await self.handler(request)
        await response(scope, receive, send)
