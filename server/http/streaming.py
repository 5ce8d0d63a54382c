"""Streamed answers: each piece is generated after the client has received the one before.

Memory is bounded. Some pieces are generated at the start, so that most answers are complete at once
and have a length; the others follow one at a time. If a piece fails, the connection closes before
the end of the answer, and every client detects the truncation: neither the last chunk of chunked
transfer nor the end of a compressed stream is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, MutableMapping
from itertools import groupby
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from novaql.fast_dataclass import dataclass
from novaql.server.pools.query_workers import QueryWorkers

Piece = bytes | memoryview

WAITING = "waiting_bytes"
"""In the state of a request: the bytes of its answer that are generated, and not sent."""

WRITTEN = "written_bytes"
"""In the state of a request: the bytes of its answer that its connection has accepted."""

UNRESERVED = 16 << 20
"""Bytes of a result beyond this are reserved in the memory for queries."""

LARGE_PIECE = 1 << 16
"""Pieces with fewer bytes are joined with their neighbours."""


@dataclass(frozen=True, slots=True)
class Begun:
    """pieces: generated already; rest: generates the others, None if there are no more."""

    pieces: list[Piece]
    rest: Iterator[Piece] | None


def begin(pieces: Iterator[Piece], at_once: int) -> Begun:
    """Generate the first pieces, up to about `at_once` bytes, and a little more to detect the end,
    because a large first piece may be almost the whole answer."""
    made: list[Piece] = []
    size = behind = 0
    for piece in pieces:
        made.append(piece)
        if size > at_once:
            behind += len(piece)
            if behind >= LARGE_PIECE:
                return Begun(_joined(made), pieces)
        size += len(piece)
    return Begun(_joined(made), None)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Join small neighbouring pieces."""
    out: list[Piece] = []
    for small, group in groupby(pieces, lambda piece: len(piece) < LARGE_PIECE):
        neighbours = list(group)
        out += [b"".join(neighbours)] if small else neighbours
    return out


def pieces_response(
    begun: Begun,
    workers: QueryWorkers,
    *,
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer with a length if it is complete, otherwise a chunked one.

    A complete answer of one piece is one message without a copy, which is compressed as a whole.
    """
    if begun.rest is None and len(begun.pieces) <= 1:
        content = begun.pieces[0] if begun.pieces else b""
        return Response(content, headers=headers, media_type=media_type)
    return PiecesResponse(begun, workers, media_type=media_type, headers=headers)


class PiecesResponse(Response):
    """An answer in several messages."""

    def __init__(
        self,
        begun: Begun,
        workers: QueryWorkers,
        *,
        media_type: str,
        headers: Mapping[str, str] | None,
    ) -> None:
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self._begun, self._workers = begun, workers
        self.init_headers(headers)
        self._size = sum(map(len, begun.pieces))
        if begun.rest is None:
            self.headers["content-length"] = str(self._size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        gone = asyncio.ensure_future(_client_gone(receive))
        state = scope["state"]
        try:
            # The result that generates the others takes about as much as the first pieces.
            result = 0 if self._begun.rest is None else min(self._size, UNRESERVED)
            state[WAITING] = self._size + result
            for piece in self._begun.pieces:
                await _send(send, piece, state)
                state[WAITING] -= len(piece)
            self._begun.pieces.clear()  # sent, and not needed during the others
            rest = self._begun.rest
            while rest is not None:
                if gone.done():
                    raise ClientDisconnect
                made = await self._workers.next_piece(scope, rest)
                if made is None:
                    break
                await _send(send, made, state)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            state[WAITING] = 0
            gone.cancel()


async def _send(send: Send, piece: Piece, state: MutableMapping[str, Any]) -> None:
    """Send a piece as one message. The connection holds a view of its unsent bytes, and accepts the
    next message only after they are sent."""
    await send({"type": "http.response.body", "body": piece, "more_body": True})
    state[WRITTEN] = state.get(WRITTEN, 0) + len(piece)


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
