"""Retention of rows that have ended, by age and by number.

Each transaction deletes a few rows, so that other writers can run in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    delete,
    func,
    inspect,
    select,
    tuple_,
)
from sqlalchemy.orm import InstrumentedAttribute

from novaql.fast_dataclass import dataclass
from novaql.server.db.rows import Tenant, TenantRow
from novaql.server.tenants.context import ServerContext

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Retention:
    """The retention of the rows of a table.

    since    when a row ended; NULL or a time in the future: it has not ended
    max_age  how long rows are retained after that, or the name of the setting in seconds; None:
             without limit of time, up to `max_history`
    parts    columns of other tables with the row's id: their rows are deleted first
    """

    table: type[TenantRow]
    since: SQLColumnExpression[Any]
    max_age: timedelta | str | None
    parts: Sequence[InstrumentedAttribute[Any]] = ()


def forget_ended(context: ServerContext, retentions: Iterable[Retention]) -> None:
    """Delete the expired rows of all tenants, and the oldest rows above each tenant's
    `max_history`."""
    now = context.clock.now()
    with context.database.read(None) as session:
        tenants = {row.id: row.limits for row in session.execute(select(Tenant)).scalars()}
    most = {
        key: int(dict(limits).get("max_history", context.settings.max_history))
        for key, limits in tenants.items()
    }
    for one in retentions:
        max_age = one.max_age
        if isinstance(max_age, str):
            max_age = timedelta(seconds=getattr(context.settings, max_age))
        if max_age is not None:
            _delete(context, one, one.since <= now - max_age)
        for tenant_id, last in _surplus(context, one, now, most).items():
            _delete(context, one, one.table.tenant_id == tenant_id, one.since <= last)


def _surplus(
    context: ServerContext, one: Retention, now: datetime, most: dict[str, int]
) -> dict[str, datetime]:
    """Return the tenants with too many ended rows, and the newest `since` of those to delete."""
    tenant, ended = one.table.tenant_id, one.since <= now
    found: dict[str, datetime] = {}
    with context.database.read(None) as session:
        counts = select(tenant, func.count()).where(ended).group_by(tenant)
        for tenant_id, count in session.execute(counts).all():
            allowed = most.get(tenant_id, 0)
            if allowed and count > allowed:
                oldest = select(one.since).where(tenant == tenant_id, ended).order_by(one.since)
                found[tenant_id] = session.execute(
                    oldest.offset(count - allowed - 1).limit(1)
                ).scalar_one()
    return found


def _delete(context: ServerContext, one: Retention, *where: ColumnElement[bool]) -> None:
    key = list(inspect(one.table).primary_key)
    wanted = select(*key).where(*where).limit(_AT_ONCE)
    more = True
    while more:
        with context.database.write(None, durability="relaxed") as session:
            over = [tuple(row) for row in session.execute(wanted)]
            ids = [row[0] for row in over]
            for column in one.parts:
                session.execute(delete(column.class_).where(column.in_(ids)))
            same = key[0].in_(ids) if len(key) == 1 else tuple_(*key).in_(over)
            if over:
                session.execute(delete(one.table).where(same))
        more = len(over) == _AT_ONCE
