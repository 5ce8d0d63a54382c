"""A client with little overhead: persistent connections, and answers that are read but not
parsed."""

from __future__ import annotations

import socket
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

_BUFFER_BYTES = 1 << 20
"""The initial size of a buffer, which grows to the size of the largest answer."""


def get_request(host: str, path: str, parameters: Sequence[tuple[str, object]]) -> bytes:
    """The bytes of a GET."""
    query = urllib.parse.urlencode(parameters)
    return (
        f"GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n\r\n"
    ).encode()


def post_request(host: str, path: str, body: bytes, kind: str, *headers: str) -> bytes:
    """The bytes of a POST."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Accept-Encoding: identity",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer in the buffer of its connection, valid until the next request on it."""

    status: int
    seconds: float
    _buffer: bytearray
    _parts: list[slice]

    @property
    def body(self) -> bytes:
        """A copy of the body."""
        return b"".join(self._buffer[part] for part in self._parts)


class Connection:
    """One connection to a server of this machine, opened before anything is timed.

    All answers are read into one buffer, which is reused, so that the client adds as little as
    possible to the time of an answer.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._buffer = bytearray(_BUFFER_BYTES)
        self._socket = self._open()

    def ask(self, request: bytes) -> HttpAnswer:
        """Send a request and wait for its answer. Raises `ConnectionError` if the server closes the
        connection.

        A server may close a connection that was idle, VictoriaMetrics after five seconds without a
        first request; then the request is sent again on a new one, as any client does, and the time
        of both attempts counts.
        """
        began = time.perf_counter()
        try:
            head, body = self._answer(request)
        except _ClosedBeforeAnswer:
            self._socket.close()
            self._socket = self._open()
            head, body = self._answer(request)
        seconds = time.perf_counter() - began
        return HttpAnswer(int(head[9:12]), seconds, self._buffer, body)

    def close(self) -> None:
        self._socket.close()

    def _open(self) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self._port), timeout=600)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def _answer(self, request: bytes) -> tuple[bytes, list[slice]]:
        """The head, and where the body's parts are in the buffer."""
        try:
            self._socket.sendall(request)
            filled = self._more(0)
        except (BrokenPipeError, ConnectionResetError) as gone:
            raise _ClosedBeforeAnswer(str(gone)) from gone
        while (end := self._buffer.find(b"\r\n\r\n", 0, filled)) < 0:
            filled = self._more(filled)
        head, at = bytes(self._buffer[:end]).lower(), end + 4
        if b"transfer-encoding: chunked" not in head:
            size = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or b"0")
            while filled < at + size:
                filled = self._more(filled)
            return head, [slice(at, at + size)]
        parts: list[slice] = []
        while True:
            while (line := self._buffer.find(b"\r\n", at, filled)) < 0:
                filled = self._more(filled)
            size = int(self._buffer[at:line].split(b";")[0], 16)
            parts.append(slice(line + 2, line + 2 + size))
            at = line + 2 + size + 2
            while filled < at:
                filled = self._more(filled)
            if size == 0:
                return head, parts

    def _more(self, filled: int) -> int:
        """Receive more bytes; return the number of bytes in the buffer."""
        if filled == len(self._buffer):
            self._buffer += bytes(len(self._buffer))
        with memoryview(self._buffer) as buffer:
            received = self._socket.recv_into(buffer[filled:])
        if not received:
            kind = ConnectionError if filled else _ClosedBeforeAnswer
            raise kind("the server closed the connection")
        return filled + received


class _ClosedBeforeAnswer(ConnectionError):
    """The connection was closed before an answer began."""
