"""Periodic work of the server: times of token use, return of memory, deletion of expired rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import case, func

from novaql.server.db.tables import BrowserSession, Event, IdempotencyKey, Token
from novaql.server.http.idempotency import KEY_RETENTION
from novaql.server.jobs.retention import Retention, forget_ended
from novaql.server.pools.memory_return import release_unused
from novaql.server.tenants.context import ServerContext

_USES_S = 15.0
_MEMORY_S = 60.0
_FORGET_S = 600.0
_AFTER_START_S = 60.0
"""Rows are first deleted after this time, so that a deletion does not delay the first requests of a
server."""
_RETENTION = timedelta(days=30)

OWN = (
    Retention(IdempotencyKey, IdempotencyKey.created_at, KEY_RETENTION),
    Retention(Event, case((Event.relayed_at.is_not(None), Event.at)), _RETENTION),
    Retention(BrowserSession, BrowserSession.expires_at, timedelta()),
    Retention(Token, func.coalesce(Token.revoked_at, Token.expires_at), _RETENTION),
)
"""Retentions of the platform's own tables."""


def housekeeper(context: ServerContext, retentions: Sequence[Retention] = ()) -> Callable[[], None]:
    """Return a function that does all due housekeeping; call it often.

    retentions  of the tables of domains
    """
    uses_at = memory_at = time.monotonic()
    forget_at = uses_at + _AFTER_START_S

    def run() -> None:
        nonlocal uses_at, memory_at, forget_at
        context.database.try_to_come_back()
        now = time.monotonic()
        if now >= uses_at:
            uses_at = now + _USES_S
            if context.access.accounts is not None:
                context.access.accounts.write_uses()
        if now >= memory_at:
            memory_at = now + _MEMORY_S
            for store in context.stores.open_ones().values():
                store.release_unused()
            release_unused()
        if now >= forget_at:
            forget_at = now + _FORGET_S
            forget(context, retentions)

    return run


def forget(context: ServerContext, retentions: Sequence[Retention]) -> None:
    """Delete quota windows, idempotency keys, relayed events, and other expired rows."""
    context.access.quotas.forget(context.clock.now() - timedelta(days=2))
    forget_ended(context, (*OWN, *retentions))
