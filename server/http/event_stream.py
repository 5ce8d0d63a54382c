"""Streams of server-sent events from rows of the database.

A stream sends rows that have numbers without gaps, in their order, and then waits for further ones.
The number is the id of the event, so `Last-Event-ID` resumes a stream without gap or repetition.

A stream that waits holds no thread and no transaction: it compares the versions of the tenant's
rows (`db/row_versions.py`), which all processes see, and reads only after a change. It reads a few
rows at a time, and reads more only when the client has received them, so its buffer is bounded. It
ends when its token is no longer valid, when the server stops, and when its client reads too slowly.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from novaql.fast_dataclass import dataclass
from novaql.server.db.row_versions import RowVersions
from novaql.server.db.unit import Unit
from novaql.server.errors import Busy, Detail, InvalidRequest, Unavailable
from novaql.server.http.accept import best_of
from novaql.server.http.admission import PRINCIPAL_TABLES, still_admitted
from novaql.server.http.cache import row_versions
from novaql.server.http.request import context_of
from novaql.server.http.unit_of_work import in_unit

log = logging.getLogger(__name__)
MEDIA = "text/event-stream"
_FORMS = {"json": "application/json", "stream": MEDIA}
_AT_ONCE = 20
_HEARTBEAT = b":\n\n"
_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event of a stream: its number, and its data as one line of JSON."""

    number: int
    data: bytes

    def encoded(self) -> bytes:
        """Return the event in the format of the stream."""
        return b"id: %d\ndata: %s\n\n" % (self.number, self.data)


Read = Callable[[Unit, int, int], Sequence[StreamEvent]]
"""Reads the first events after a number: unit, that number, and how many at most."""


def prefers_stream(request: Request) -> bool:
    """Return whether a client prefers a stream of events to JSON."""
    return best_of(request.headers.get("accept", ""), _FORMS) == "stream"


def last_event_id(request: Request) -> int:
    """Return the number in the header `Last-Event-ID`; 0 without the header. Raises
    `InvalidRequest`."""
    text = request.headers.get("last-event-id", "")
    if text and not _NUMBER.fullmatch(text):
        message = "Last-Event-ID is the id of an event of this stream"
        raise InvalidRequest(message, details=[Detail("", message)])
    return int(text or "0")


class EventStream(StreamingResponse):
    """The events of rows after a number, until the stream ends.

    table  the table of the rows
    read   reads events; runs in a unit of work
    """

    def __init__(self, request: Request, *, table: str, read: Read, after: int) -> None:
        self._request, self._read, self._after = request, read, after
        self._table = table
        self._context = context_of(request)
        headers = {"Cache-Control": "no-store", "Vary": "Accept", "X-Accel-Buffering": "no"}
        super().__init__(self._until_the_end(), media_type=MEDIA, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._context.settings

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(settings.stream_stall_s):
                await send(message)

        with self._context.pools.streams.opened(self._context.tenant_id, settings.max_streams):
            try:
                await super().__call__(scope, receive, send_in_time)
            except TimeoutError:
                log.info("a stream ends: its client reads too slowly")
                raise ClientDisconnect from None

    async def _until_the_end(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._events():
                yield piece
        except (Busy, Unavailable):
            yield b": the server is busy\n\n"

    async def _events(self) -> AsyncIterator[bytes]:
        settings, stopping = self._context.settings, self._context.lifecycle.stopping
        yield b"retry: 1000\n\n"  # sends the headers at once
        sent_at = checked_at = time.monotonic()
        seen: RowVersions | None = None
        more = True
        while not stopping.is_set():
            now = await self._versions()  # before the rows: no later change is missed
            due = time.monotonic() >= checked_at + settings.stream_heartbeat_s
            if due or _changed(seen, now, PRINCIPAL_TABLES):
                if not await still_admitted(self._request):
                    yield b": the token is not valid any more\n\n"
                    return
                checked_at = time.monotonic()
            if more or _changed(seen, now, (self._table,)):
                found = await self._some_events()
                more = len(found) == _AT_ONCE
                for event in found:
                    if stopping.is_set() or (
                        time.monotonic() >= checked_at + settings.stream_heartbeat_s
                    ):
                        more = True  # the token is checked first
                        break
                    yield event.encoded()
                    self._after = event.number
                    sent_at = time.monotonic()
            seen = now
            if time.monotonic() >= sent_at + settings.stream_heartbeat_s:
                yield _HEARTBEAT
                sent_at = time.monotonic()
            if not more:
                await asyncio.sleep(settings.stream_look_s)
        yield b": the server stops\n\n"

    async def _versions(self) -> RowVersions | None:
        context = self._context
        age_s = context.settings.stream_look_s / 2
        read = partial(row_versions, context)
        return await context.pools.streams.shared_read(context.tenant_id, age_s, read)

    async def _some_events(self) -> Sequence[StreamEvent]:
        return await in_unit(self._request, lambda unit: self._read(unit, self._after, _AT_ONCE))


def _changed(before: RowVersions | None, now: RowVersions | None, tables: Sequence[str]) -> bool:
    return before is None or now is None or not before.same(now, tables)
