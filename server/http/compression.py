"""Compression of large answers: zstd if the client accepts it, otherwise gzip."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import cramjam
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OFF_LOOP_BYTES = 1 << 16
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: bytes(cramjam.zstd.compress(body, level=1)),
    "gzip": lambda body: bytes(cramjam.gzip.compress(body, level=1)),
}
_PACKED_ALREADY = ("image/", "font/", "application/zip")
_PACKED_IN_PIECES = ("application/json", "text/csv", "application/vnd.apache.arrow.stream")
"""Answers in pieces that are compressed. Event streams are not, because clients need each event at
once."""

Piece = bytes | memoryview


class _Packer(Protocol):
    def pack(self, piece: Piece) -> bytes: ...

    def end(self) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._packer = zlib.compressobj(level=1, wbits=31)

    def pack(self, piece: Piece) -> bytes:
        return self._packer.compress(piece)

    def end(self) -> bytes:
        return self._packer.flush()


class _Zstd:
    def __init__(self) -> None:
        self._packer = cramjam.zstd.Compressor(level=1)

    def pack(self, piece: Piece) -> bytes:
        self._packer.compress(bytes(piece))
        return bytes(self._packer.flush())

    def end(self) -> bytes:
        return bytes(self._packer.finish())


_PACKERS: dict[str, Callable[[], _Packer]] = {"zstd": lambda: _Zstd(), "gzip": lambda: _Gzip()}


class Compression:
    """Compresses answers: complete ones as a whole, others piece by piece."""

    def __init__(self, app: ASGIApp, *, smallest: int) -> None:
        self._app = app
        self._smallest = smallest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        encoding = _encoding_for(scope)
        head: Message | None = None
        packer: _Packer | None = None

        async def answer(message: Message) -> None:
            nonlocal head, packer
            if message["type"] == "http.response.start":
                _vary(message)
                head = message
                return
            if message["type"] == "http.response.body":
                body, more = message.get("body", b""), message.get("more_body", False)
                if head is not None:
                    start, head = head, None
                    if encoding and more and _in_pieces(start):
                        packer = _PACKERS[encoding]()
                        _encoded(start, encoding, None)
                    elif encoding and not more and self._worth_it(start, body):
                        body = await _packed(_ENCODERS[encoding], body)
                        _encoded(start, encoding, len(body))
                        message = {**message, "body": body}
                    await send(start)
                if packer is not None:
                    packed = await _packed(packer.pack, body) if len(body) else b""
                    if not more:
                        packed += packer.end()
                    elif not packed:
                        return  # the compressor needs more input
                    message = {**message, "body": packed}
            await send(message)

        await self._app(scope, receive, answer)

    def _worth_it(self, start: Message, body: Piece) -> bool:
        if len(body) < self._smallest:
            return False
        headers = Headers(raw=start["headers"])
        return "content-encoding" not in headers and not headers.get("content-type", "").startswith(
            _PACKED_ALREADY
        )


def _in_pieces(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return "content-encoding" not in headers and headers.get("content-type", "").startswith(
        _PACKED_IN_PIECES
    )


def _encoded(start: Message, encoding: str, length: int | None) -> None:
    headers = MutableHeaders(scope=start)
    headers["Content-Encoding"] = encoding
    if length is None:
        del headers["Content-Length"]
    else:
        headers["Content-Length"] = str(length)


async def _packed(pack: Callable[[Any], bytes], body: Piece) -> bytes:
    return await asyncio.to_thread(pack, body) if len(body) > _OFF_LOOP_BYTES else pack(body)


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
    """Return the best supported encoding that an `Accept-Encoding` header accepts, or None."""
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
