"""Whole answers to GETs, and parts of answers, from the cache of the process
(`cache/response_cache.py`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from novaql.server.cache.response_cache import Reading, Version
from novaql.server.db.engine import tables_used
from novaql.server.db.row_versions import RowVersions
from novaql.server.db.unit import Unit
from novaql.server.http.request import context_of, origin_of, principal_of, version_of
from novaql.server.tenants.context import ServerContext

Value = TypeVar("Value")
Respond = Callable[[Request], Awaitable[Response]]
Cached = Literal["rows", "rows, slowly", "samples"]
"""What an answer depends on besides the request: see `cached_response`."""

_SLOWLY_S = 15
"""How long an answer that depends slowly on the time is valid while no row changes: a trust score
that decays over days, or an uptime of a day."""

_ENTRY_BYTES = 2_000
"""About the memory of an entry of the cache, besides the bytes of its key and of its value."""


async def cached_response(request: Request, cached_by: Cached | None, respond: Respond) -> Response:
    """Return the answer to an admitted GET: from the cache, or from `respond`. Requests share the
    answer, which must not be changed.

    cached_by  what the answer depends on besides the request:
               `rows`          the rows of the tenant
               `rows, slowly`  its rows, and the time in steps of 15 s
               `samples`       its rows and samples
               None            its rows and the time; the answer is valid for the current second
    """
    scope = request.scope
    state = scope["state"]

    context, headers = context_of(request), state["headers"]
    sent = (scope["path"], scope["query_string"], headers.get(b"host"), headers.get(b"accept"))
    key = (principal_of(request), version_of(request), scope["scheme"], *sent)

    async def read() -> Reading[Response]:
        tables = state["tables_read"] = set[str]()  # `RequestUnit.begin` adds to it
        response = await respond(request)
        size = _ENTRY_BYTES + len(response.body) + sum(len(part or b"") for part in sent)
        return Reading(response, frozenset(tables), size if response.status_code == 200 else None)

    return await context.caches.responses.get(key, partial(_version, context, cached_by), read)


async def read_rows(request: Request, key: str, work: Callable[[Unit], Value]) -> Value:
    """Return what `work` reads from the tenant's rows, in a thread or from the cache.

    key  identifies what `work` reads, unique in the server: `panel:pan_…`

    `work` must not depend on the time. Its result must not be changed.
    """
    context, principal = context_of(request), principal_of(request)
    actor, origin = context.actor_of(principal), origin_of(request)

    def run() -> Reading[Value]:
        with context.unit(actor, origin, writes=False) as unit:
            value = work(unit)
            tables = frozenset(tables_used(unit.session).read)
        size = _ENTRY_BYTES + len(repr(value))  # about as many bytes as the value
        return Reading(value, tables, size)

    read = partial(context.pools.readers.run, run, tenant=principal.tenant_id)
    named = (principal.tenant_id, key)
    return await context.caches.responses.get(named, partial(_version, context, "rows"), read)


async def _version(context: ServerContext, cached_by: Cached | None) -> Version | None:
    """Return the version of all that an answer depends on besides the request; None: unknown."""
    rows = await row_versions(context)
    if rows is None:
        return None
    if cached_by == "rows":
        return Version(rows)
    now = context.clock.now()
    if cached_by != "samples":
        step_s = 1 if cached_by is None else _SLOWLY_S
        return Version(rows, int(now.timestamp()) // step_s)
    tenant, measurements = context.tenant_id, context.caches.measurements
    stored = context.samples_version
    samples = measurements.version(tenant, now, stored=stored)
    run = partial(context.pools.measurers.run, tenant=tenant)
    measurements.refresh(tenant, now, run, stored=stored)
    return None if samples is None else Version(rows, samples)


async def row_versions(context: ServerContext) -> RowVersions | None:
    """Return the versions of the tenant's rows; None: they cannot be read now."""
    database, tenant = context.database, context.tenant_id
    if database.is_sqlite:
        return database.versions_of(tenant)
    return await context.pools.readers.run(partial(database.versions_of, tenant), tenant=tenant)
