"""Answers go to the network whole: head and body in one write.

uvicorn writes the head of an answer, then its body, and uvloop hands each to the system at once.
Each of the two is a system call on the event loop's thread, wakes the client, and makes a packet of
its own; the first costs as much as everything else that is done for a small answer. So the head
waits for what is written next, or for the next turn of the event loop where the body takes longer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from novaql.server.unpaced import unpace

_BEGIN, _END = b"HTTP/1.1 ", b"\r\n\r\n"


class Cork:
    """A transport that keeps a head back until the body comes; otherwise it is the one given.

    What looks like a head and is part of a body goes out a moment later, and nothing else happens.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._head = b""

    def write(self, data: bytes | memoryview) -> None:
        """As a transport's; a head alone is written later. A closed connection drops it."""
        head, self._head = self._head, b""
        if self._transport.is_closing():
            return
        if head:
            self._transport.writelines((head, data))
        elif isinstance(data, bytes) and data.startswith(_BEGIN) and data.endswith(_END):
            self._head = data
            self._loop.call_soon(self._let_go)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close it when everything is written."""
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class CorkedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, on such a transport; unpaced where the client is on this machine."""

    def connection_made(  # type: ignore[override]  # as uvicorn has it
        self, transport: asyncio.Transport
    ) -> None:
        unpace(transport)
        super().connection_made(Cork(transport))  # type: ignore[arg-type]
