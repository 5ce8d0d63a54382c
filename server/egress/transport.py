"""Connections of the dialer for httpx, and one deadline for all steps of a request."""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore
import httpx

from novaql.server.egress.errors import Unreachable

Addresses = Callable[[str, int], Sequence[str]]
"""Resolves a host and a port to addresses that may be dialed."""

_POLL_S = 0.25
"""The interval between two checks for the cancellation of a request."""

_SLICE = 16 << 10
"""Bytes that are written before the next check of the deadline."""


class _Backend(httpcore.NetworkBackend):
    """An httpcore backend that connects to addresses that the dialer has checked."""

    def __init__(
        self, addresses: Addresses, end: float | None, cancelled: Callable[[], bool] | None
    ) -> None:
        self._addresses = addresses
        self._end = end
        self._cancelled = cancelled
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        problem: Exception | None = None
        for address in self._addresses(host, port):
            try:
                wait = _shortened(timeout, self._end, httpcore.ConnectTimeout)
                stream = self._inner.connect_tcp(address, port, wait, local_address, socket_options)
                if self._end is None:
                    return stream
                return _Ending(stream, self._end, self._cancelled)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                problem = failed
        assert problem is not None
        raise problem


def _shortened(
    timeout: float | None, end: float | None, late: type[httpcore.TimeoutException]
) -> float | None:
    """Return the time that a step may take before the deadline `end`. Raises `late` after it."""
    if end is None:
        return timeout
    left = end - time.monotonic()
    if left <= 0:
        raise late("everything took too long")
    return left if timeout is None else min(timeout, left)


class _Ending(httpcore.NetworkStream):
    """A connection with one deadline for all its steps."""

    def __init__(
        self,
        inner: httpcore.NetworkStream,
        end: float,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._inner = inner
        self._end = end
        self._cancelled = cancelled

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        wait = _shortened(timeout, self._end, httpcore.ReadTimeout)
        if self._cancelled is None or wait is None:
            return self._inner.read(max_bytes, wait)
        until = time.monotonic() + wait
        while True:
            if self._cancelled():
                raise Unreachable("cancelled", "the request was cancelled")
            left = until - time.monotonic()
            try:
                return self._inner.read(max_bytes, max(min(left, _POLL_S), 0.001))
            except httpcore.ReadTimeout:
                if left <= _POLL_S:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # httpcore applies the timeout to each packet of a buffer, not to the buffer.
        for at in range(0, len(buffer), _SLICE):
            wait = _shortened(timeout, self._end, httpcore.WriteTimeout)
            self._inner.write(buffer[at : at + _SLICE], wait)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        wait = _shortened(timeout, self._end, httpcore.ConnectTimeout)
        secured = self._inner.start_tls(ssl_context, server_hostname, wait)
        return _Ending(secured, self._end, self._cancelled)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


@functools.cache
def _context(verify: bool) -> ssl.SSLContext:
    """One for all clients: reading the certificate authorities takes 4 ms."""
    return httpx.create_ssl_context(verify=verify, trust_env=False)


class Transport(httpx.HTTPTransport):
    """An httpx transport over connections of the dialer.

    addresses  `Dialer.addresses`
    """

    def __init__(
        self,
        addresses: Addresses,
        verify: ssl.SSLContext | bool,
        deadline_s: float | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        context = _context(verify) if isinstance(verify, bool) else verify
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=8,
            keepalive_expiry=5.0,
            network_backend=_Backend(
                addresses, None if deadline_s is None else time.monotonic() + deadline_s, cancelled
            ),
        )
