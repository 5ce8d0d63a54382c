"""Reads of the tenant's rows that are cached (`http/response_cache.py`)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import TypeVar

from starlette.requests import Request

from novaql.server.db.unit import Unit
from novaql.server.http.request import context_of, principal_of
from novaql.server.http.unit_of_work import in_unit
from novaql.server.tenants.context import ServerContext

Value = TypeVar("Value")


async def rows_version(context: ServerContext) -> Hashable | None:
    """The version of the tenant's rows; None if it cannot be found out."""
    database, tenant = context.database, context.tenant_id
    if database.is_sqlite:
        return database.version_of(tenant)
    return await context.readers.run(partial(database.version_of, tenant), tenant=tenant)


async def read_rows(request: Request, key: str, work: Callable[[Unit], Value]) -> Value:
    """What `work` reads of the tenant's rows, in a thread, or cached.

    key  what `work` reads, unique in the server: `panel:pan_…`

    `work` must not depend on the time, and its result must not be changed.
    """
    context, principal = context_of(request), principal_of(request)
    named = (principal.tenant_id, key)
    read = partial(in_unit, request, work)
    return await context.responses.get(
        named, partial(rows_version, context), read, lambda value: len(repr(value))
    )
