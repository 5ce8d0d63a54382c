"""Compression of large answers: zstd if the client accepts it, otherwise gzip."""

from __future__ import annotations

import asyncio
from typing import Any

import cramjam
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novaql.server.http.accept import weights_in
from novaql.tsdb import cache_of_short

_OFF_LOOP_BYTES = 1 << 16
_COMPRESSORS = {"zstd": cramjam.zstd.Compressor, "gzip": cramjam.gzip.Compressor}
_PACKED_ALREADY = ("image/", "font/", "application/zip")
_PACKED_IN_PIECES = ("application/json", "text/csv", "application/vnd.apache.arrow.stream")
"""Media types of streamed answers that are compressed. Event streams are not among them, because
clients need each event at once."""

Piece = bytes | memoryview


class Compression:
    """Compresses answers: complete ones as a whole, others piece by piece."""

    def __init__(self, app: ASGIApp, *, smallest: int) -> None:
        self._app = app
        self._smallest = smallest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        encoding = _encoding_for(scope) if scope["type"] == "http" else None
        if encoding is None:
            await self._app(scope, receive, send)
            return
        head: Message | None = None
        compressor: Any = None

        async def answer(message: Message) -> None:
            nonlocal head, compressor
            if message["type"] == "http.response.start":
                head = {**message, "headers": [*message["headers"]]}
                return
            if message["type"] == "http.response.body":
                start, head = head, None
                body, more = message.get("body", b""), message.get("more_body", False)
                if start is not None and self._worth_it(start, body, more):
                    compressor = _COMPRESSORS[encoding](level=1)
                    headers = MutableHeaders(scope=start)
                    headers["Content-Encoding"] = encoding
                    del headers["Content-Length"]
                if compressor is not None:
                    body = await _compressed(compressor, body, more)
                    message = {**message, "body": body}
                if start is not None:
                    if compressor is not None and not more:
                        MutableHeaders(scope=start)["Content-Length"] = str(len(body))
                    await send(start)
            await send(message)

        await self._app(scope, receive, answer)

    def _worth_it(self, start: Message, body: Piece, more: bool) -> bool:
        if not more and len(body) < self._smallest:
            return False
        headers = Headers(raw=start["headers"])
        media = headers.get("content-type", "")
        if "content-encoding" in headers:
            return False
        if more:
            return media.startswith(_PACKED_IN_PIECES)
        return not media.startswith(_PACKED_ALREADY)


async def _compressed(compressor: Any, body: Piece, more: bool) -> bytes:
    def work() -> bytes:
        compressor.compress(bytes(body))
        return bytes(compressor.flush() if more else compressor.finish())

    return await asyncio.to_thread(work) if len(body) > _OFF_LOOP_BYTES else work()


def _encoding_for(scope: Scope) -> str | None:
    header = scope["state"]["headers"].get(b"accept-encoding")
    return None if header is None else accepted_encoding(header.decode("latin-1"))


@cache_of_short(256)
def accepted_encoding(header: str) -> str | None:
    """Return the best supported encoding that an `Accept-Encoding` header accepts, or None."""
    weights = weights_in(header)
    known = [name for name in _COMPRESSORS if weights.get(name, 0.0) > 0]
    return max(known, key=lambda name: weights[name], default=None)
