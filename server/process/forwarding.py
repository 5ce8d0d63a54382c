"""Forwards requests that need a store to the process that owns the stores. The worker answers all
others.

Pure ASGI around the whole application of a worker. Bodies and answers are streamed. If the client
disconnects, the worker closes its connection to the owner, which cancels the query.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import httpcore
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novaql.server.http.index import LateIndex

log = logging.getLogger(__name__)

# Headers of one connection, or set again for the next one (RFC 9110, 7.6.1).
_OF_THE_CONNECTION = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"),
        *(b"transfer-encoding", b"expect", b"x-forwarded-for", b"x-forwarded-proto"),
    }
)
_OF_THE_ANSWER = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"date"})
_HttpHeaders = list[tuple[bytes, bytes]]


class Forwarding:
    """Wraps an application: the owner answers some routes.

    owner      the socket that the owner listens on
    routes     all routes
    unreached  answers if the owner does not
    """

    def __init__(self, app: ASGIApp, *, owner: str, routes: LateIndex, unreached: ASGIApp) -> None:
        self._app = app
        self._routes = routes
        self._unreached = unreached
        self._pool = httpcore.AsyncConnectionPool(
            uds=owner, max_connections=None, max_keepalive_connections=64, keepalive_expiry=60
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not await self._is_the_owners(scope):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self._pool, receive, send)
        try:
            await exchange.run(scope)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
            if exchange.answering:  # too late for another answer: the connection is closed
                raise
            log.warning("the process that owns the stores does not answer")
            await self._unreached(scope, exchange.nothing_more, send)

    async def _is_the_owners(self, scope: Scope) -> bool:
        found = await self._routes.find(scope["path"])
        row = None if found is None else found[0].get(scope["method"])
        return row is not None and row.of_the_owner


class _Exchange:
    """A request that is forwarded to the owner, and its answer."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, receive: Receive, send: Send) -> None:
        self._pool = pool
        self._receive = receive
        self._send = send
        self._sent_all = asyncio.Event()
        self.answering = False

    async def run(self, scope: Scope) -> None:
        """Run until the answer is sent or the client disconnects."""
        answer = asyncio.ensure_future(self._pass(scope))
        left = asyncio.ensure_future(self._client_left())
        try:
            await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                await answer
        finally:
            left.cancel()
            if not answer.done():
                answer.cancel()
                await asyncio.wait({answer})

    async def _pass(self, scope: Scope) -> None:
        headers = _headers_of(scope)
        query = scope["query_string"]
        request = httpcore.Request(
            scope["method"],
            httpcore.URL(
                scheme=b"http",
                host=b"owner",
                port=None,
                target=scope["raw_path"] + (b"?" + query if query else b""),
            ),
            headers=headers,
            content=self._body() if _has_body(headers) else b"",
        )
        if not _has_body(headers):
            self._sent_all.set()
        response = await self._pool.handle_async_request(request)
        try:
            self.answering = True
            end_to_end = [
                (name, value)
                for name, value in response.headers
                if name.lower() not in _OF_THE_ANSWER
            ]
            await self._send(
                {"type": "http.response.start", "status": response.status, "headers": end_to_end}
            )
            async for piece in response.aiter_stream():
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await response.aclose()

    async def _body(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise httpcore.ReadError("the client left")
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                self._sent_all.set()
                return

    async def _client_left(self) -> None:
        await self._sent_all.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def nothing_more(self) -> Message:
        """Receive messages of a request whose body was read: only its disconnect."""
        return {"type": "http.request", "body": b"", "more_body": False}


def _headers_of(scope: Scope) -> _HttpHeaders:
    given: _HttpHeaders = list(scope["headers"])
    headers = [(name, value) for name, value in given if name not in _OF_THE_CONNECTION]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", b"localhost"))
    if any(name == b"transfer-encoding" for name, _ in given):
        headers.append((b"transfer-encoding", b"chunked"))
    client = scope.get("client")
    if client is not None:
        headers.append((b"x-forwarded-for", client[0].encode()))
    headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
    return headers


def _has_body(headers: _HttpHeaders) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )
