"""Answers to reads that others have had, or are having just now (`kept_answers.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from starlette.requests import Request

from server.platform.context import ServerContext, context_of, principal_of
from server.platform.endpoint import Endpoint
from server.platform.idempotency import Kept
from server.platform.kept_answers import Stamp
from server.platform.measuring import measurements_of
from server.platform.scopes import Principal

_NEVER = object()


async def read_again(
    request: Request, endpoint: Endpoint, version: str, read: Callable[[], Awaitable[Kept]]
) -> Kept:
    """The answer to a GET that is kept, or that `read` gives.

    Who asks for what is being read already, of the same state of the database, waits for that: when
    an answer has lapsed, a crowd does not read it side by side.
    """
    context, principal = context_of(request), principal_of(request)
    moment = _moment_of(endpoint, context, principal)
    scope, headers = request.scope, request.headers
    asked = (scope["path"], scope["query_string"], headers.get("host"), headers.get("accept"))
    key = (principal, version, *asked, moment)
    kept_answers = context.kept_answers
    waited = False
    while True:
        stamp = None if moment is _NEVER else context.database.change_stamp()
        if stamp is None:
            return await read()
        kept: Kept | None = kept_answers.find(stamp, key)
        if kept is not None:
            return kept
        running = kept_answers.running.get((stamp, key))
        if running is None or waited:
            return await _read(context, stamp, key, read)
        await asyncio.wait({running})
        waited = True


async def _read(
    context: ServerContext, stamp: Stamp, key: Hashable, read: Callable[[], Awaitable[Kept]]
) -> Kept:
    running = context.kept_answers.running
    mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    running[stamp, key] = mine
    try:
        done = await read()
        if done.status == 200:
            context.kept_answers.keep(stamp, key, done, len(done.body))
        return done
    finally:
        if running.get((stamp, key)) is mine:
            del running[stamp, key]
        mine.set_result(None)


def _moment_of(endpoint: Endpoint, context: ServerContext, principal: Principal) -> object:
    """What an answer has in common with those of the same time, beside the database's state."""
    if endpoint.steady:
        return None
    now = context.clock.now()
    if not endpoint.measured:
        return int(now.timestamp())
    if not context.settings.measured_for_s:
        return _NEVER
    return measurements_of(context, now).at
