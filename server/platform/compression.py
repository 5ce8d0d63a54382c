"""Answers of some size are compressed, with zstd where the client takes it, else gzip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache

import cramjam
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OFF_LOOP_BYTES = 1 << 16
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: bytes(cramjam.zstd.compress(body, level=1)),
    "gzip": lambda body: bytes(cramjam.gzip.compress(body, level=1)),
}
_PACKED_ALREADY = ("image/", "font/", "application/zip")


class Compression:
    """Compresses answers that come in one piece, which all of this server's do."""

    def __init__(self, app: ASGIApp, *, smallest: int) -> None:
        self._app = app
        self._smallest = smallest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        encoding = _encoding_for(scope)
        head: Message | None = None

        async def answer(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                _vary(message)
                head = message
                return
            if head is None or message["type"] != "http.response.body":
                await send(message)
                return
            start, head = head, None
            body = message.get("body", b"")
            if encoding and not message.get("more_body") and self._worth_it(start, body):
                pack = _ENCODERS[encoding]
                large = len(body) > _OFF_LOOP_BYTES
                body = await asyncio.to_thread(pack, body) if large else pack(body)
                headers = MutableHeaders(scope=start)
                headers["Content-Encoding"] = encoding
                headers["Content-Length"] = str(len(body))
                message = {**message, "body": body}
            await send(start)
            await send(message)

        await self._app(scope, receive, answer)

    def _worth_it(self, start: Message, body: bytes) -> bool:
        if len(body) < self._smallest:
            return False
        headers = Headers(raw=start["headers"])
        return "content-encoding" not in headers and not headers.get("content-type", "").startswith(
            _PACKED_ALREADY
        )


def _encoding_for(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            return accepted_encoding(value.decode("latin-1"))
    return None


def _vary(message: Message) -> None:
    headers = message["headers"]
    for name, _ in headers:
        if name == b"vary":
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
            return
    message["headers"] = [*headers, (b"vary", b"Accept-Encoding")]


@lru_cache(maxsize=256)
def accepted_encoding(header: str) -> str | None:
    """The best of our encodings that a client takes who sends that `Accept-Encoding`, or None."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        key, _, weight = parameter.strip().partition("=")
        try:
            weights[name.strip()] = float(weight) if key == "q" else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    known = [name for name in _ENCODERS if weights.get(name, 0.0) > 0]
    return max(known, key=lambda name: weights[name], default=None)
