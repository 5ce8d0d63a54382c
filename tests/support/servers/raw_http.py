"""HTTP as bytes on a socket, for requests that no client library would send."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Bytes:
    def __init__(self, raw: bytes) -> None:
        self._file = BytesIO(raw)

    def makefile(self, *_: Any, **__: Any) -> BytesIO:
        return self._file


def connected(url: str, *, timeout: float = 30, source: str | None = None) -> socket.socket:
    """A connection to a server; `source`: from that address of this machine."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    where = None if source is None else (source, 0)
    return socket.create_connection((parts.hostname, parts.port), timeout, where)


def heard(raw: bytes, method: str = "GET") -> Heard:
    """Parse the first answer in received bytes."""
    answer = HTTPResponse(_Bytes(raw), method=method)  # type: ignore[arg-type]  # has makefile
    answer.begin()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Heard(answer.status, headers, answer.read())


def until_closed(connection: socket.socket) -> bytes:
    """All bytes until the server closes the connection. Raises `TimeoutError` if it does not."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def answer_to(url: str, raw: bytes, *, timeout: float = 30, method: str = "GET") -> Heard:
    """Send bytes and return the answer; the server must close the connection afterwards."""
    with connected(url, timeout=timeout) as connection:
        with suppress(ConnectionError):  # it may stop reading before everything is sent
            connection.sendall(raw)
        return heard(until_closed(connection), method)
