"""Endpoints of domains: a function of a `Call` that returns an `Answer`.

What holds for all of them happens here: the body is read strictly and in the client's version, the
query parameters are read, the function runs in a thread inside one transaction of the tenant, a
POST with an Idempotency-Key is done once, and the answer goes out in the client's version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select
from starlette.requests import Request
from starlette.responses import Response

from novaql.cancellation import Cancellation
from novaql.server.platform.answering import (
    Answer,
    Outside,
    Shown,
    accepted,
    created,
    encoded,
    listed,
    no_content,
    ok,
    response_of,
    version_in,
)
from novaql.server.platform.api_version import to_current
from novaql.server.platform.bodies import media_type, read_body
from novaql.server.platform.context import ServerContext, context_of, origin_of, principal_of
from novaql.server.platform.cursors import Cursors, Key, Page, PageQuery, page_of
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.errors import InvalidRequest, UnsupportedMedia
from novaql.server.platform.idempotency import Kept, fingerprint, read_key, recall, remember
from novaql.server.platform.preparing import Preparation, Prepare
from novaql.server.platform.query_parameters import NoParameters, read_query
from novaql.server.platform.reading_again import read_again
from novaql.server.platform.scopes import Principal, Role
from novaql.server.platform.state.tables_used import tables_read
from novaql.server.platform.strict_json import parse_json, validate
from novaql.server.platform.unit import Unit

__all__ = [
    "Answer",
    "Call",
    "Outside",
    "Shown",
    "accepted",
    "created",
    "in_unit",
    "listed",
    "no_content",
    "ok",
    "operation",
    "read_once",
]
AnyModel = TypeVar("AnyModel", bound=BaseModel)
AnyRow = TypeVar("AnyRow")
Done = TypeVar("Done")


@dataclass(slots=True)
class Call(Unit):
    """One request inside its transaction.

    principal  who asks
    context    the server, scoped to the tenant (for its store: `context.store`)
    route      the path as the table has it; `path` as it was asked for
    names      what stands in the path's braces
    version    the API version of the request
    prepared   what the endpoint's `prepare` returned
    """

    principal: Principal = field(kw_only=True)
    context: ServerContext = field(kw_only=True)
    route: str = field(kw_only=True)
    path: str = field(kw_only=True)
    names: Mapping[str, str] = field(kw_only=True)
    headers: Mapping[str, str] = field(kw_only=True)
    version: str = field(kw_only=True)
    parsed_body: BaseModel | None = field(kw_only=True)
    parsed_query: BaseModel | None = field(kw_only=True)
    prepared: Any = field(kw_only=True)
    scheme: str = field(default="http", kw_only=True)

    def name(self, key: str) -> str:
        """What stands in the path's `{key}`."""
        return self.names[key]

    def body(self, model: type[AnyModel]) -> AnyModel:
        """The body, as the model that the endpoint declares."""
        assert isinstance(self.parsed_body, model)
        return self.parsed_body

    def query(self, model: type[AnyModel]) -> AnyModel:
        """The query parameters, as the model that the endpoint declares."""
        assert isinstance(self.parsed_query, model)
        return self.parsed_query

    def page(self, statement: Select[AnyRow], keys: Sequence[Key]) -> Page[AnyRow]:
        """One page of a list. The query's model derives from `PageQuery`."""
        query = self.query(PageQuery)
        filters = query.model_dump(mode="json", exclude={"limit", "cursor"})
        cursors = Cursors(self.keys, self.tenant_id, self.path, filters)
        return page_of(self.session, statement, keys, query, cursors)

    def url_of(self, path: str) -> str:
        """A path of this server as a URL that the client can use."""
        base = self.context.settings.public_url
        return f"{base or f'{self.scheme}://' + self.headers.get('host', 'localhost')}{path}"

    def expected_version(self, in_body: int | None = None) -> int | None:
        """The version that an update was made from: of the body, or of If-Match."""
        version = version_in(self.headers)
        return in_body if version is None else version


Use = Callable[[Call], "Answer | Outside"]


def operation(
    method: str,
    path: str,
    use: Use,
    *,
    role: Role,
    tag: str,
    answer: type[BaseModel] | None = None,
    success: int = 200,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    errors: tuple[int, ...] = (),
    action: str | None = None,
    example: Mapping[str, Any] | None = None,
    answers: Mapping[int, type[BaseModel] | None] | None = None,
    media: tuple[str, ...] = (),
    samples: bool = False,
    prepare: Prepare | None = None,
    steady: bool = False,
    measured: bool = False,
) -> Endpoint:
    """A row of the route table for a use case. A GET reads; every other method may write.

    action   `noun.verb`: the use case must write an audit entry, by `call.audit(…)`
    example  a body that is accepted, for the document and for tests over all routes
    errors   statuses beside those that the kind of the endpoint brings by itself
    steady   of a GET: its answer depends on the database and the request alone, not on the time
    measured of a GET: likewise, and on what a `Meter` of now finds
    prepare  done before the transaction begins: whatever takes time, as parsing, or looking up a
             name. What it returns is `call.prepared`
    """

    async def handle(request: Request) -> Response:
        return await _handle(request, row, use, prepare)

    usual = {400, 413, 415, 429, 503}  # the body is read where none is wanted, too
    if "{" in path:
        usual.add(404)
    if method == "POST":
        usual |= {409, 422}
    row = Endpoint(
        methods=(method,),
        path=path,
        handler=handle,
        role=role,
        tag=tag,
        errors=tuple(sorted(usual | set(errors))),
        answer=answer,
        media=media,
        body=body,
        success=success,
        answers=answers or {},
        query=query,
        action=action,
        example=example,
        samples=samples,
        steady=steady,
        measured=measured,
        doc=use.__doc__ or "",
    )
    return row


async def in_unit(request: Request, work: Callable[[Unit], Done], *, writes: bool = False) -> Done:
    """Work of an asynchronous handler on the database, in a thread and a transaction of its own."""
    context = context_of(request)
    actor, origin = context.actor_of(principal_of(request)), origin_of(request)

    def run() -> Done:
        with context.unit(actor, origin, writes=writes) as unit:
            return work(unit)

    threads = context.threads if writes else context.readers
    return await threads.run(run, tenant=principal_of(request).tenant_id)


async def read_once(request: Request, key: str, work: Callable[[Unit], Done]) -> Done:
    """What an asynchronous handler reads of the tenant's rows, kept while nobody commits.

    key  what `work` reads, in words of the whole server: `panel:pan_…`. What it gives must not be
         changed by anybody, and must not depend on the time
    """
    context = context_of(request)
    changes = context.database.changes
    name = (principal_of(request).tenant_id, key)
    found: Done | None = context.kept_answers.find(name, changes)
    if found is not None:
        return found
    since = changes.moment()

    def noted(unit: Unit) -> tuple[Done, Set[str]]:
        with tables_read() as tables:
            return work(unit), tables

    done, tables = await in_unit(request, noted)
    if since is not None:
        context.kept_answers.keep(name, done, len(repr(done)), since=since, tables=tables)
    return done


async def _handle(
    request: Request, endpoint: Endpoint, use: Use, prepare: Prepare | None
) -> Response:
    context, principal = context_of(request), principal_of(request)
    method = endpoint.methods[0]
    raw = await _read_raw(request, context, endpoint)
    if method == "GET" and (not endpoint.samples or endpoint.measured):
        version = _version_of(request, principal)
        route = f"GET {endpoint.path} {version}"
        work = _Work(request, endpoint, b"", None, version, route)

        def noted() -> tuple[Kept, Set[str]]:
            with tables_read() as tables:
                done = work.run(use)
            assert isinstance(done, Kept)
            return done, tables

        async def read() -> tuple[Kept, Set[str]]:
            # What measures takes its time; what only reads does not wait for it.
            threads = context.measurers if endpoint.measured else context.readers
            return await threads.run(noted, tenant=principal.tenant_id)

        return response_of(request, await read_again(request, endpoint.cached_by, version, read))
    key = read_key(request.headers.get("idempotency-key")) if method == "POST" else None
    version = _version_of(request, principal)
    route = f"{method} {endpoint.path} {version}"
    held = (
        nullcontext()
        if key is None
        else context.keys_in_flight.holding(principal.tenant_id, principal.id, route, key)
    )
    with held:
        work = _Work(request, endpoint, raw, key, version, route)
        if prepare is not None:
            await context.workers.check(request, partial(work.prepare, prepare))
        done = await context.threads.run(partial(work.run, use), tenant=principal.tenant_id)
        if isinstance(done, Outside):
            met = await context.outside.run(done.act, tenant=principal.tenant_id)
            finish = done.finish
            done = await context.threads.run(
                partial(work.run, lambda call: finish(call, met)), tenant=principal.tenant_id
            )
    assert isinstance(done, Kept)
    return response_of(request, done)


def _version_of(request: Request, principal: Principal) -> str:
    version: str = request.scope["state"].get("api_version", principal.api_version)
    return version


async def _read_raw(request: Request, context: ServerContext, endpoint: Endpoint) -> bytes:
    raw = await read_body(request, limit=context.settings.max_body_bytes)
    if endpoint.body is None:
        if raw.strip() not in (b"", b"{}"):
            raise InvalidRequest("this endpoint takes no body")
        return b""
    if raw and media_type(request) != "application/json":
        raise UnsupportedMedia("this endpoint takes application/json")
    return raw


@dataclass(slots=True)
class _Work:
    """One request in its thread; what is raised becomes the answer at the edge."""

    request: Request
    endpoint: Endpoint
    raw: bytes
    key: str | None
    version: str
    route: str
    audited: bool = False
    body: BaseModel | None = None
    prepared: Any = None

    def prepare(self, prepare: Prepare, cancellation: Cancellation) -> None:
        """Before the transaction, on a thread for that."""
        request, context = self.request, context_of(self.request)
        self.body = self._parsed_body()
        self.prepared = prepare(
            Preparation(
                context,
                self.body,
                self._names(),
                context.actor_of(principal_of(request)),
                origin_of(request),
                monotonic(),
                cancellation,
            )
        )

    def run(self, use: Use) -> Kept | Outside:
        """A transaction: the answer, or what is to be done outside before there is one."""
        request, endpoint, version = self.request, self.endpoint, self.version
        context, principal = context_of(request), principal_of(request)
        names = self._names()
        parsed_query = read_query(request, endpoint.query or NoParameters)
        parsed_body = self._parsed_body() if self.body is None else self.body
        method = endpoint.methods[0]
        actor, origin = context.actor_of(principal), origin_of(request)
        with context.unit(actor, origin, writes=method != "GET") as unit:
            call = Call(
                **{name: getattr(unit, name) for name in _UNIT_FIELDS},
                principal=principal,
                context=context,
                route=endpoint.path,
                path=request.scope["path"],
                names=names,
                headers=request.headers,
                version=version,
                parsed_body=parsed_body,
                parsed_query=parsed_query,
                prepared=self.prepared,
                scheme=request.scope["scheme"],
            )
            print_ = ""
            if self.key is not None:
                print_ = fingerprint(request.scope["path"], request.url.query, self.raw)
                kept = recall(call, principal.id, self.route, self.key, print_)
                if kept is not None:
                    headers = {**kept.headers, "Idempotent-Replayed": "true"}
                    return Kept(kept.status, headers, kept.body)
            answer = use(call)
            unit.wakes = call.wakes
            self.audited = self.audited or bool(call.audited)
            if isinstance(answer, Outside):
                return answer
            if endpoint.action is not None and not self.audited:
                raise AssertionError(f"{self.route} changed something without audit entry")
            if self.key is not None:
                done = encoded(answer, version, endpoint.path)
                remember(call, principal.id, self.route, self.key, print_, done)
                return done
        return encoded(answer, version, endpoint.path)

    def _names(self) -> dict[str, str]:
        names = {name: str(value) for name, value in self.request.path_params.items()}
        for name, value in names.items():
            if "\0" in value or len(value) > 512:
                names[name] = _NO_NAME
        return names

    def _parsed_body(self) -> BaseModel | None:
        if self.endpoint.body is None:
            return None
        if self.endpoint.takes_if_match:
            version_in(self.request.headers)  # malformed, it is refused even where none is needed
        value = parse_json(self.raw) if self.raw.strip() else {}
        return validate(self.endpoint.body, to_current(self.version, self.endpoint.path, value))


_NO_NAME = "(not a name)"
"""In place of one that no database takes: nothing is called so, and its 404 is that of others."""

_UNIT_FIELDS = (
    "session",
    "clock",
    "keys",
    "settings",
    "tenant_id",
    "tenant_name",
    "actor",
    "origin",
)
