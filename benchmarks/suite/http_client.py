"""A client that costs little itself: connections that stay open, answers read and not looked at."""

from __future__ import annotations

import socket
import time
import urllib.parse
from collections.abc import Sequence


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


class Connection:
    """One connection to a server of this machine, opened before anything is timed."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=600)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes, float]:
        """Status, body and seconds. Raises `ConnectionError` if the server hangs up."""
        began = time.perf_counter()
        self._socket.sendall(request)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._part()
        head = bytes(received[:end]).lower()
        body = received[end + 4 :]
        if b"transfer-encoding: chunked" in head:
            while not body.endswith(b"0\r\n\r\n"):
                body += self._part()
            seconds = time.perf_counter() - began
            return int(head[9:12]), _joined(bytes(body)), seconds
        size = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or b"0")
        while len(body) < size:
            body += self._part()
        return int(head[9:12]), bytes(body), time.perf_counter() - began

    def close(self) -> None:
        self._socket.close()

    def _part(self) -> bytes:
        part = self._socket.recv(1 << 20)
        if not part:
            raise ConnectionError("the server closed the connection")
        return part


def _joined(chunks: bytes) -> bytes:
    """The body that came in chunks."""
    parts: list[bytes] = []
    at = 0
    while True:
        line = chunks.index(b"\r\n", at)
        size = int(chunks[at:line].split(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(chunks[line + 2 : line + 2 + size])
        at = line + 4 + size
