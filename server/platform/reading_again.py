"""Answers to reads that others have had, or are having just now (`kept_answers.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Set

from starlette.requests import Request

from novaql.server.platform.context import ServerContext, context_of, principal_of
from novaql.server.platform.idempotency import Kept
from novaql.server.platform.kept_answers import Flight
from novaql.server.platform.measuring import measurements_of

_NEVER = object()
Read = tuple[Kept, Set[str]]
Reader = Callable[[], Awaitable[Read]]


async def read_again(request: Request, cached_by: str | None, version: str, read: Reader) -> Kept:
    """The answer to a GET that is kept, or that `read` gives.

    cached_by  `rows`, `samples` or None: what the answer depends on beside the request; None: on
               rows and the time
    read       the answer, and the tables that it was read from

    Who asks for what is being read already, of the same state of the database, waits for that: when
    an answer has lapsed, a crowd does not read it side by side.
    """
    context, principal = context_of(request), principal_of(request)
    moment = _moment_of(cached_by, context)
    scope, headers = request.scope, request.headers
    asked = (scope["path"], scope["query_string"], headers.get("host"), headers.get("accept"))
    key = (principal, version, *asked)
    if cached_by == "samples":
        return await _measured(context, key, read)
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


async def _measured(context: ServerContext, key: Hashable, read: Reader) -> Kept:
    """One request at a time measures the same. Who comes meanwhile waits, and then one of those
    measures for all of them: what they get was begun after the last of them had come.

    So a client sees what it has written before it asked, and a stream of writes makes nobody
    measure side by side.
    """
    answers, changes = context.kept_answers, context.database.changes
    arrived = next(answers.numbers)
    while True:
        moment = _moment_of("samples", context)
        kept: Kept | None = None if moment is _NEVER else answers.find(key, changes, moment)
        if kept is not None:
            return kept
        flight = answers.flights.get(key)
        if flight is None:
            break
        await asyncio.wait({flight.done})
        if flight.number > arrived and not flight.done.cancelled():
            shared: Kept = flight.done.result()
            return shared
    return await _fly(context, moment, key, read)


async def _fly(context: ServerContext, moment: object, key: Hashable, read: Reader) -> Kept:
    answers = context.kept_answers
    mine = Flight(next(answers.numbers), asyncio.get_running_loop().create_future())
    answers.flights[key] = mine
    since = None if moment is _NEVER else context.database.changes.moment()
    try:
        done, tables = await read()
    except Exception as problem:
        mine.done.set_exception(problem)
        mine.done.exception()  # nobody may have waited for it
        raise
    else:
        mine.done.set_result(done)
        if done.status == 200 and since is not None:
            size = len(done.body)
            answers.keep(key, done, size, since=since, tables=tables, time=moment)
        return done
    finally:
        mine.done.cancel()  # if the request was
        del answers.flights[key]


async def _read(
    context: ServerContext, since: int, moment: object, key: Hashable, read: Reader
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


def _moment_of(cached_by: str | None, context: ServerContext) -> object:
    """What an answer has in common with those of the same time, beside the database's state."""
    if cached_by == "rows":
        return None
    now = context.clock.now()
    if cached_by is None:
        return int(now.timestamp())
    if not context.settings.measured_for_s:
        return _NEVER
    found = measurements_of(context, now)
    return found.at, found.writes
