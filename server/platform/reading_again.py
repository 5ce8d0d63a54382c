"""Answers to reads that others have had, or are having just now (`kept_answers.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Set

from starlette.requests import Request

from server.platform.context import ServerContext, context_of, principal_of
from server.platform.endpoint import Endpoint
from server.platform.idempotency import Kept
from server.platform.measuring import measurements_of

_NEVER = object()
Read = tuple[Kept, Set[str]]


async def read_again(
    request: Request, endpoint: Endpoint, version: str, read: Callable[[], Awaitable[Read]]
) -> Kept:
    """The answer to a GET that is kept, or that `read` gives.

    read  the answer, and the tables that it was read from

    Who asks for what is being read already, of the same state of the database, waits for that: when
    an answer has lapsed, a crowd does not read it side by side.
    """
    context, principal = context_of(request), principal_of(request)
    moment = _moment_of(endpoint, context)
    scope, headers = request.scope, request.headers
    asked = (scope["path"], scope["query_string"], headers.get("host"), headers.get("accept"))
    key = (principal, version, *asked)
    kept_answers, changes = context.kept_answers, context.database.changes
    waited = False
    while True:
        kept: Kept | None = kept_answers.find(key, changes, moment)
        if kept is not None:
            return kept
        since = None if moment is _NEVER else changes.moment()
        if since is None:
            return (await read())[0]
        running = kept_answers.running.get((since, moment, key))
        if running is None or waited:
            return await _read(context, since, moment, key, read)
        await asyncio.wait({running})
        waited = True


async def _read(
    context: ServerContext,
    since: int,
    moment: object,
    key: Hashable,
    read: Callable[[], Awaitable[Read]],
) -> Kept:
    running = context.kept_answers.running
    mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    running[since, moment, key] = mine
    try:
        done, tables = await read()
        if done.status == 200:
            size = len(done.body)
            context.kept_answers.keep(key, done, size, since=since, tables=tables, time=moment)
        return done
    finally:
        if running.get((since, moment, key)) is mine:
            del running[since, moment, key]
        mine.set_result(None)


def _moment_of(endpoint: Endpoint, context: ServerContext) -> object:
    """What an answer has in common with those of the same time, beside the database's state."""
    if endpoint.steady:
        return None
    now = context.clock.now()
    if not endpoint.measured:
        return int(now.timestamp())
    if not context.settings.measured_for_s:
        return _NEVER
    return measurements_of(context, now).at
