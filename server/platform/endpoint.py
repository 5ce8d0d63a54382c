"""One row of the route table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from novaql.server.platform.admission import admit
from novaql.server.platform.problem import is_prometheus
from novaql.server.platform.scopes import Role

Handler = Callable[[Request], Awaitable[Response]]
NO_ROLE = None
_SENTENCE = re.compile(r"(?<=[.?!]) (?=[A-Z`0-9])")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path, its methods, and what a token must be to use it.

    role         None: open to everyone, no token is looked at
    errors       status codes beside 200 that it answers with
    answer       model of the 200 answer, for the OpenAPI document
    media        content types of the 200 answer beside JSON
    body         model of the JSON body
    parameters   names of query (or form) parameters → description
    required     names of those that must be given
    schemas      names of those that are not any text → what else JSON Schema says of them
    success      the status of the usual answer
    answers      further statuses of success, with their models
    query        model of the query parameters, read by the platform
    action       `noun.verb` of the audit entry that the endpoint writes
    example      a body that is accepted as it is, for documents and tests
    counted      whether a request spends the quotas of its base
    samples      it reads or writes samples: the tenant's store is opened before it runs
    takes        content types of a body that is no JSON model
    steady       what it reads of the database does not depend on the time
    measured     what it reads of the samples is what was measured a moment ago
    local        speaks of the process that answers, whichever that is
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
    required: tuple[str, ...] = ()
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    success: int = 200
    documented: bool = True
    answers: Mapping[int, type[BaseModel] | None] = field(default_factory=dict)
    query: type[BaseModel] | None = None
    action: str | None = None
    example: Mapping[str, Any] | None = None
    counted: bool = True
    samples: bool = True
    doc: str = ""
    takes: tuple[str, ...] = ()
    local: bool = False
    steady: bool = False
    measured: bool = False

    @property
    def cached_by(self) -> str | None:
        """What its answer depends on beside the request; None: on rows and the time."""
        return "samples" if self.measured else "rows" if self.steady else None

    @property
    def quota(self) -> str | None:
        """The quotas that a request spends: of Prometheus's base, or of the API.

        Samples that are sent here are bounded by their size and by the queue, not by requests.
        """
        if not self.counted or self.tag == "ingest":
            return None
        return "prometheus" if is_prometheus(self.path) else "api"

    async def admit(self, request: Request) -> None:
        """Let a request in, or raise."""
        if self.role is not None:
            await admit(
                request,
                role=self.role,
                quota=self.quota,
                samples=self.samples,
                action=self.action,
                writes=request.method != "GET" and self.action is not None,
            )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for this row."""
        request = Request(scope, receive, send)
        await self.admit(request)
        response = await self.handler(request)
        await response(scope, receive, send)

    @property
    def has_etag(self) -> bool:
        """Whether its answer is one resource with a version, which makes its entity tag."""
        version = None if self.answer is None else self.answer.model_fields.get("version")
        return version is not None and version.annotation is int

    @property
    def takes_if_match(self) -> bool:
        """Whether it changes what the client saw: `version` in the body, or If-Match."""
        return self.body is not None and "version" in self.body.model_fields

    @property
    def of_the_owner(self) -> bool:
        """Whether only the process that owns the stores can answer."""
        return self.samples and not self.local

    @property
    def description(self) -> str:
        """What it does, for the OpenAPI document: the handler's docstring."""
        return (self.doc or self.handler.__doc__ or "").strip()

    @property
    def summary(self) -> str:
        """The first sentence of the description."""
        return _SENTENCE.split(" ".join(self.description.split()), 1)[0].rstrip(".")


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


def operation_id(endpoint: Endpoint, method: str) -> str:
    """Stable, unique, and safe in URLs."""
    words = endpoint.path.strip("/").replace("{", "by_").replace("}", "").replace("-", "")
    parts = words.replace(".", "_").replace("/", "_").split("_")
    return "_".join([method.lower(), *[part for part in parts if part]])


def schema_of(
    model: type[BaseModel], mode: Literal["validation", "serialization"] = "validation"
) -> dict[str, Any]:
    """JSON schema whose references point into the OpenAPI document."""
    return model.model_json_schema(ref_template="#/components/schemas/{model}", mode=mode)
