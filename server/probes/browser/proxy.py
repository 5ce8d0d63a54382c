"""The only way of a browser to a network: a forward proxy that dials by the egress rules.

The browser is in a network namespace in which nothing but this proxy's listener exists, so the
proxy needs no credentials: no other process can connect to it. It accepts CONNECT (TLS and
WebSockets) and absolute-form HTTP. It resolves each name, and connects only to an address that
the dialer has checked. The answer for a denied target is the same, whether a service listens there
or not.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

from novaql.server.egress.dialer import Dialer
from novaql.server.egress.errors import TargetNotAllowed, Unreachable

MAX_CONNECTIONS = 64
MAX_BYTES = 64 << 20
_MAX_HEAD = 64 << 10
_MAX_RECORDED = 100
_HEAD_S = 10.0
_CONNECT_S = 10.0
_IDLE_S = 60.0
_BLOCK = 64 << 10
_NOT_FORWARDED = frozenset(
    {
        "connection",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
    }
)
_BAD = "400 Bad Request"
_DENIED = "403 Forbidden"
_UNREACHABLE = "502 Bad Gateway"


class _Refused(Exception):
    """A request that the proxy answers itself. `status` is a status line."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class EgressProxy:
    """Serves one browser, from `start` to `stop`.

    denied       hosts and ports that the dialer refused, at most 100
    unreachable  hosts and ports without a connection, and the reason: `dns`, `connect`, `timeout`
    exceeded     whether the run transferred more than its bytes; then no connection is left
    """

    def __init__(
        self,
        listener: socket.socket,
        dialer: Dialer,
        *,
        end: float,
        max_bytes: int,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.denied: dict[tuple[str, int], None] = {}
        self.unreachable: dict[tuple[str, int], str] = {}
        self.exceeded = False
        self._listener = listener
        self._dialer = dialer
        self._end = end
        self._left = max_bytes
        self._max_connections = max_connections
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._accepting = threading.Thread(target=self._accept, name="browser proxy", daemon=True)

    def start(self) -> None:
        """Begin to accept connections."""
        self._listener.settimeout(0.1)
        self._accepting.start()

    def stop(self) -> None:
        """Close all connections, and wait for the threads that serve them."""
        self._close_all()
        self._accepting.join(5)
        for thread in list(self._threads):
            thread.join(2)
        self._listener.close()

    def _close_all(self) -> None:
        with self._lock:
            self._stopped.set()
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stopped.is_set() and time.monotonic() < self._end:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with self._lock:
                if self._stopped.is_set() or len(self._threads) >= self._max_connections:
                    connection.close()
                    continue
                thread = threading.Thread(
                    target=self._serve, args=(connection,), name="browser proxy", daemon=True
                )
                self._threads.add(thread)
            thread.start()

    def _track(self, connection: socket.socket) -> None:
        with self._lock:
            if self._stopped.is_set():
                raise OSError("the proxy has stopped")
            self._open.add(connection)

    def _release(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _serve(self, browser: socket.socket) -> None:
        try:
            self._track(browser)
            try:
                self._forward(browser)
            except _Refused as refused:
                body = b"" if refused.status != _DENIED else b"This target is not allowed.\n"
                browser.sendall(
                    f"HTTP/1.1 {refused.status}\r\nContent-Type: text/plain\r\n"
                    f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + body
                )
        except OSError:
            pass  # one of both ends has closed the connection
        finally:
            self._release(browser)
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _forward(self, browser: socket.socket) -> None:
        head, rest = self._read_head(browser)
        host, port, request = parsed_request(head)
        target = self._dial(host, port)
        try:
            self._track(target)
            if request is None:
                browser.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                target.sendall(request)
            if rest:
                target.sendall(rest)
            self._count(len(head) + len(rest))
            self._relay(browser, target, None if request is None else ResponseHead())
        finally:
            self._release(target)

    def _read_head(self, browser: socket.socket) -> tuple[bytes, bytes]:
        """Read the head of a request. Returns it, and what came after it."""
        end = min(time.monotonic() + _HEAD_S, self._end)
        data = b""
        while b"\r\n\r\n" not in data:
            browser.settimeout(max(0.01, end - time.monotonic()))
            part = browser.recv(_BLOCK)
            if not part:
                raise OSError("the browser has closed the connection")
            data += part
            if len(data) > _MAX_HEAD:
                raise _Refused("431 Request Header Fields Too Large")
            if time.monotonic() > end:
                raise _Refused("408 Request Timeout")
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def _dial(self, host: str, port: int) -> socket.socket:
        try:
            left = max(0.1, min(_CONNECT_S, self._end - time.monotonic()))
            return self._dialer.connect(host, port, left)
        except TargetNotAllowed:
            if len(self.denied) < _MAX_RECORDED:
                self.denied[host, port] = None
            raise _Refused(_DENIED) from None
        except Unreachable as problem:
            reason = problem.reason
        except (OSError, ValueError):
            reason = "connect"
        if len(self.unreachable) < _MAX_RECORDED:
            self.unreachable[host, port] = reason
        raise _Refused(_UNREACHABLE)

    def _count(self, size: int) -> None:
        with self._lock:
            self._left -= size
            self.exceeded = self.exceeded or self._left < 0
        if self.exceeded:
            self._close_all()
            raise OSError("the run has transferred too many bytes")

    def _relay(
        self, browser: socket.socket, target: socket.socket, answer: ResponseHead | None
    ) -> None:
        """Copy bytes in both directions, until the target ends or both are idle."""
        with selectors.DefaultSelector() as selector:
            selector.register(browser, selectors.EVENT_READ, target)
            selector.register(target, selectors.EVENT_READ, browser)
            while True:
                wait = min(_IDLE_S, self._end - time.monotonic())
                ready = selector.select(wait) if wait > 0 else []
                if not ready:
                    return
                for key, _ in ready:
                    source, sink = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    source.settimeout(_HEAD_S)
                    sink.settimeout(_HEAD_S)
                    data = source.recv(_BLOCK)
                    self._count(len(data))
                    if data:
                        if source is target and answer is not None:
                            data = answer.feed(data)
                        sink.sendall(data)
                    elif source is target:
                        return
                    else:
                        selector.unregister(source)
                        sink.shutdown(socket.SHUT_WR)


class ResponseHead:
    """Rewrites the head of an answer, so that the browser uses the connection for one request.

    Otherwise the browser would send its next request, perhaps to another host, to this target.
    """

    def __init__(self) -> None:
        self.waiting = True
        self._data = b""

    def feed(self, data: bytes) -> bytes:
        """Return what the browser receives. Raises `OSError` for a head without an end."""
        if not self.waiting:
            return data
        self._data += data
        out = b""
        while self.waiting and b"\r\n\r\n" in self._data:
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            status = lines[0].partition(b" ")[2]
            if status.startswith(b"1") and not status.startswith(b"101"):
                continue  # 100 and 103: the browser needs none
            self.waiting = False
            lines = [
                line
                for line in lines
                if line.split(b":")[0].strip().lower() not in (b"connection", b"keep-alive")
            ]
            out = b"\r\n".join([*lines, b"Connection: close", b"", b""]) + self._data
        if self.waiting and len(self._data) > 4 * _MAX_HEAD:
            raise OSError("the head of the answer has no end")
        return out


def parsed_request(head: bytes) -> tuple[str, int, bytes | None]:
    """Return host and port of a request, and the request for the target (None: CONNECT)."""
    try:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        parsed = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parsed.hostname, parsed.port
    except ValueError:
        raise _Refused(_BAD) from None
    if not host or "@" in parsed.netloc or not version.startswith("HTTP/1."):
        raise _Refused(_BAD)
    if any("\n" in line for line in lines):
        raise _Refused(_BAD)
    if method == "CONNECT":
        if port is None or target != parsed.netloc:
            raise _Refused(_BAD)
        return host, port, None
    if parsed.scheme != "http":
        raise _Refused(_BAD)
    path = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
    passed = [
        line for line in lines if line.partition(":")[0].strip().lower() not in _NOT_FORWARDED
    ]
    request = [f"{method} {path} HTTP/1.1", f"Host: {parsed.netloc}", *passed, "Connection: close"]
    return host, 80 if port is None else port, "\r\n".join([*request, "", ""]).encode("latin-1")
