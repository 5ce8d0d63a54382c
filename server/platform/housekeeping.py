"""What a server does for itself from time to time: measure, write down uses, forget."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, select

from server.platform.context import ServerContext
from server.platform.idempotency import KEPT
from server.platform.tables import Event, IdempotencyKey

_USES_S = 15.0
_FORGET_S = 600.0
_EVENTS_KEPT = timedelta(days=30)
_AT_ONCE = 500


def housekeeper(context: ServerContext) -> Callable[[], None]:
    """A function to call often; it does what is due."""
    uses_at = forget_at = time.monotonic()

    def keep() -> None:
        nonlocal uses_at, forget_at
        context.database.try_to_come_back()
        context.measurements.keep_up(context.clock.now())
        now = time.monotonic()
        if now >= uses_at:
            uses_at = now + _USES_S
            if context.accounts is not None:
                context.accounts.write_uses()
        if now >= forget_at:
            forget_at = now + _FORGET_S
            forget(context)

    return keep


def forget(context: ServerContext) -> None:
    """Delete idempotency keys, quota windows and relayed events whose time is over."""
    now = context.clock.now()
    context.quotas.forget(now - timedelta(days=2))
    _delete(context, IdempotencyKey, IdempotencyKey.created_at <= now - KEPT)
    _delete(context, Event, Event.at <= now - _EVENTS_KEPT, Event.relayed_at.is_not(None))


def _delete(
    context: ServerContext, table: type[IdempotencyKey] | type[Event], *where: ColumnElement[bool]
) -> None:
    """Delete rows of all tenants, a few in each transaction, so that others can write between."""
    more = True
    while more:
        with context.database.write(None, durability="relaxed", quiet=True) as session:
            over = list(session.execute(select(table.id).where(*where).limit(_AT_ONCE)).scalars())
            session.execute(delete(table).where(table.id.in_(over)))
        more = len(over) == _AT_ONCE
