"""A client of httpx that sends usual requests over sockets of its own.

httpx composes addresses, and parses answers, character by character in Python: tests of the server
spent up to half of their processor time in the client.
"""

from __future__ import annotations

import json as json_text
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import httpx

_UNQUOTED = "%/?=&[]:@!$'()*+,;~|"
_SAFE = re.compile(r"[\w/?=&\[\]:@!$'()*+,;~.%-]*+", re.ASCII)
_SCALARS = (str, int, float, bool, type(None))
KEEPALIVE_S = 1.0
"""The server closes connections that were idle for five seconds; a client must not use one at that
moment."""


class QuickClient(httpx.Client):
    """Sends a request itself if it has a path, plain parameters, and a body of text, bytes or JSON.
    httpx sends all others."""

    def __init__(self, *, base_url: str, timeout: float, **options: Any) -> None:
        super().__init__(base_url=base_url, timeout=timeout, **options)
        self._plain_timeout = timeout
        self._idle: list[tuple[float, _Connection]] = []
        self._lock = threading.Lock()

    def request(self, method: str, url: httpx.URL | str, **given: Any) -> httpx.Response:
        """`httpx.Client.request`."""
        plain = _Plain.of(method, url, given) if self.base_url.scheme == "http" else None
        if plain is None:
            return super().request(method, url, **given)
        headers = [(name, value) for name, value in self.headers.raw if name != b"host"]
        named = {name.lower() for name, _ in plain.headers}
        headers = [one for one in headers if one[0].lower() not in named] + plain.headers
        began = time.perf_counter()
        answer = self._answer(plain, headers)
        answer.elapsed = timedelta(seconds=time.perf_counter() - began)
        return answer

    def close(self) -> None:
        """Close every connection."""
        super().close()
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def __exit__(self, *problem: Any) -> None:
        super().__exit__(*problem)
        self.close()

    def _answer(self, plain: _Plain, headers: list[tuple[bytes, bytes]]) -> httpx.Response:
        connection = self._connection()
        try:
            status, named, content = connection.ask(plain, headers)
        except BaseException as problem:
            connection.close()
            raise _as_httpx(problem) from problem
        if (b"connection", b"close") in named:
            connection.close()
        else:
            with self._lock:
                self._idle.append((time.monotonic(), connection))
        return _Answer(status, named, content, plain, self.base_url)

    def _connection(self) -> _Connection:
        """Return a connection that is open and unused, or a new one."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                since, connection = self._idle.pop()
            if time.monotonic() - since < KEEPALIVE_S:
                return connection
            connection.close()
        host, port = self.base_url.host, self.base_url.port
        assert port is not None
        try:
            return _Connection(host, port, self._plain_timeout)
        except OSError as problem:
            raise _as_httpx(problem) from problem


class _Connection:
    """A connection of HTTP/1.1, for one request after the other."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._host = f"{host}:{port}".encode()
        self._socket = socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def ask(
        self, plain: _Plain, headers: list[tuple[bytes, bytes]]
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, headers and body of the answer. Raises `OSError`, and `EOFError` if the
        answer ends early."""
        lines = [b"%s %s HTTP/1.1" % (plain.method.encode(), plain.target.encode())]
        if not any(name.lower() == b"host" for name, _ in headers):
            lines.append(b"Host: " + self._host)
        lines += [*(b"%s: %s" % one for one in headers), b"", b""]
        with suppress(ConnectionError):  # a server may reject a body before all of it has arrived
            self._socket.sendall(b"\r\n".join(lines) + (plain.body or b""))
        while True:
            status = int(self._line().split(b" ", 2)[1])
            named = list(self._headers())
            if status >= 200:
                return status, named, self._body(plain.method, status, dict(named))

    def _line(self) -> bytes:
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the server closed the connection before its answer was complete")
        return line.rstrip(b"\r\n")

    def _headers(self) -> Iterator[tuple[bytes, bytes]]:
        while line := self._line():
            name, _, value = line.partition(b":")
            yield name.lower(), value.strip()

    def _body(self, method: str, status: int, named: Mapping[bytes, bytes]) -> bytes:
        if method == "HEAD" or status in (204, 304):
            return b""
        if named.get(b"transfer-encoding") == b"chunked":
            parts = []
            while size := int(self._line(), 16):
                parts.append(self._exactly(size))
                self._line()
            while self._line():  # trailers
                pass
            return b"".join(parts)
        if b"content-length" in named:
            return self._exactly(int(named[b"content-length"]))
        return self._reader.read()

    def _exactly(self, size: int) -> bytes:
        content = self._reader.read(size)
        if len(content) < size:
            raise EOFError("the server closed the connection before its answer was complete")
        return content

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


class _Plain:
    """A request that does not need httpx."""

    __slots__ = ("body", "headers", "method", "target")

    def __init__(
        self, method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes | None
    ) -> None:
        self.method, self.target, self.headers, self.body = method, target, headers, body

    @classmethod
    def of(cls, method: str, url: object, given: Mapping[str, Any]) -> _Plain | None:
        """Return the request, or None if httpx has to send it."""
        method = method.upper()
        left = {name: value for name, value in given.items() if value is not None}
        params, headers = left.pop("params", None), left.pop("headers", None)
        content, document = left.pop("content", None), left.pop("json", None)
        left = {name: one for name, one in left.items() if one is not httpx.USE_CLIENT_DEFAULT}
        if left or not isinstance(url, str) or not url.startswith("/") or "#" in url:
            return None
        if content is not None and not isinstance(content, str | bytes):
            return None
        pairs = _pairs(params)
        if pairs is None or (pairs and "?" in url):
            return None
        target = url if _SAFE.fullmatch(url) else quote(url, safe=_UNQUOTED)
        if pairs:
            target = f"{target}?{urlencode(pairs)}"
        named = list(_named(headers))
        if any(re.search(rb"[\0\r\n]", name + value) for name, value in named):
            return None
        body = content.encode() if isinstance(content, str) else content
        if body is None and document is not None:
            text = json_text.dumps(
                document, ensure_ascii=False, separators=(",", ":"), allow_nan=False
            )
            body = text.encode()
            if not any(name.lower() == b"content-type" for name, _ in named):
                named.append((b"Content-Type", b"application/json"))
        sized = body is not None or method in ("POST", "PUT", "PATCH")
        if sized and not any(name.lower() == b"content-length" for name, _ in named):
            named.append((b"Content-Length", str(len(body or b"")).encode()))
        return cls(method, target, named, body)


class _Answer(httpx.Response):
    """An answer whose request is created when a test reads it."""

    def __init__(
        self,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        content: bytes,
        plain: _Plain,
        base: httpx.URL,
    ) -> None:
        super().__init__(status, headers=headers, stream=httpx.ByteStream(content))
        self.read()
        self._plain, self._base = plain, base

    @property
    def request(self) -> httpx.Request:
        """The request, as httpx would have sent it."""
        if self._request is None:
            plain = self._plain
            url = self._base.join(plain.target)
            self._request = httpx.Request(
                plain.method, url, headers=plain.headers, content=plain.body
            )
        return self._request

    @request.setter
    def request(self, value: httpx.Request) -> None:
        self._request = value

    def raise_for_status(self) -> httpx.Response:
        """Raise an error with the request."""
        assert self.request is not None
        return super().raise_for_status()


def _pairs(params: Any) -> list[tuple[str, str]] | None:
    """Names and values of parameters; None if httpx has to read them."""
    if params is None:
        return []
    if isinstance(params, Mapping):
        params = list(params.items())
    if not isinstance(params, list | tuple):
        return None
    pairs: list[tuple[str, str]] = []
    for name, value in params:
        several = value if isinstance(value, list | tuple) else [value]
        if not isinstance(name, str) or not all(isinstance(one, _SCALARS) for one in several):
            return None
        pairs += [(name, _text(one)) for one in several]
    return pairs


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _named(headers: Any) -> Iterator[tuple[bytes, bytes]]:
    if headers is None:
        return
    if isinstance(headers, httpx.Headers):
        yield from headers.raw
        return
    given = headers.items() if isinstance(headers, Mapping) else headers
    for name, value in given:
        yield (
            name.encode() if isinstance(name, str) else name,
            value.encode() if isinstance(value, str) else value,
        )


def _as_httpx(problem: BaseException) -> BaseException:
    """Return what httpx raises in this case."""
    match problem:
        case ConnectionRefusedError():
            return httpx.ConnectError(str(problem))
        case TimeoutError():
            return httpx.ReadTimeout(str(problem))
        case EOFError():
            return httpx.RemoteProtocolError(str(problem))
        case OSError():
            return httpx.ReadError(str(problem))
    return problem
