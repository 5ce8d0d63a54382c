"""Targets of checks: servers over HTTP, TCP and TLS on this machine."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Talk = Callable[[socket.socket], None]


@dataclass
class Probed:
    """A listener on loopback.

    connections  accepted so far
    heads        what the requests began with, as bytes
    stop         set at the end
    """

    port: int
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def probed(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[Probed]:
    """A listener; `talk` answers each connection in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    found = Probed(listener.getsockname()[1])

    def serve(sock: socket.socket) -> None:
        with suppress(OSError), sock:
            sock.settimeout(20)
            talk(sock if tls is None else tls.wrap_socket(sock, server_side=True))

    def accept() -> None:
        while not found.stop.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            found.connections += 1
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def head_of(sock: socket.socket) -> bytes:
    """The head of a request, and the bytes that arrived with it."""
    found = b""
    while b"\r\n\r\n" not in found:
        part = sock.recv(65_536)
        if not part:
            break
        found += part
    return found


def answering(*answers: bytes, heads: list[bytes] | None = None) -> Talk:
    """Answers requests with these bytes in turn; the last one repeats. One answer per
    connection."""
    left = list(answers)

    def talk(sock: socket.socket) -> None:
        head = head_of(sock)
        if heads is not None:
            heads.append(head)
        sock.sendall(left.pop(0) if len(left) > 1 else left[0])
        with suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        sock.close()

    return talk


def http(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *lines])
    return head.encode() + b"\r\n\r\n" + body
