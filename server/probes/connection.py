"""One connection of a probe: to one address, with a deadline, and with the time of each phase."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

import httpcore

from novaql.fast_dataclass import dataclass
from novaql.server.egress.dialer import Dialer
from novaql.server.probes.deadline import Deadline, ProbeFailure
from novaql.server.probes.lookups import addresses
from novaql.server.probes.result import Phase

_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""OpenSSL's results of the verification of a certificate."""


@dataclass
class Measured:
    """The measurements of a probe so far, over all its connections."""

    phases: dict[Phase, float] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)
    address: str | None = None
    tls_version: str | None = None
    certificate_expires_s: float | None = None

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Add the time of a block to a phase, also if it fails."""
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.phases[name] = self.phases.get(name, 0.0) + took


class Connection(httpcore.NetworkStream):
    """A socket that can be used until the deadline, also if data never ends.

    most      bytes to receive; more are the failure `body_too_large`
    received  bytes so far
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, most: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._most = most
        self.received = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        while True:
            self._deadline.left()
            try:
                data = self._sock.recv(max_bytes)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)
            except ssl.SSLEOFError:
                return b""
            except OSError as problem:
                raise httpcore.ReadError(str(problem)) from problem
            else:
                self.received += len(data)
                if self.received > self._most:
                    raise ProbeFailure("body_too_large", f"the answer has over {self._most} bytes")
                return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        rest = memoryview(buffer)
        while rest:
            self._deadline.left()
            try:
                rest = rest[self._sock.send(rest) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)
            except OSError as problem:
                raise httpcore.WriteError(str(problem)) from problem

    def close(self) -> None:
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002
        return None  # httpcore requests only details of TLS and HTTP/2

    def _wait(self, event: int) -> None:
        wait_for(self._sock, event, self._deadline)


def wait_for(sock: socket.socket, event: int, deadline: Deadline) -> None:
    """Wait until a socket is ready. Raises `ProbeFailure` `timeout` or `ProbeCancelled`."""
    poll = select.poll()
    poll.register(sock, event)
    while not poll.poll(deadline.slice() * 1000):
        pass


def connect(
    dialer: Dialer,
    host: str,
    port: int,
    deadline: Deadline,
    measured: Measured,
    tls: ssl.SSLContext | None,
    most: int,
) -> Connection:
    """Connect to the first address of a host.

    tls   the context of a TLS connection; None: plain
    most  bytes to receive

    Raises `TargetNotAllowed`, `Unreachable`, `ProbeFailure` or `ProbeCancelled`.
    """
    host = host.strip("[]")
    with measured.phase("resolve"):
        measured.addresses = addresses(dialer, host, port, deadline)
    address = measured.address = measured.addresses[0]
    with measured.phase("connect"):
        sock = _dialed(address, port, deadline)
    try:
        if tls is not None:
            with measured.phase("tls"):
                sock = _secured(sock, tls, host, deadline)
            _note_tls(sock, measured)
    except BaseException:
        sock.close()
        raise
    return Connection(sock, deadline, most)


def _dialed(address: str, port: int, deadline: Deadline) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:  # this machine has no IPv6
        raise ProbeFailure("connect", "the host cannot be reached") from None
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect((address, port))
        except BlockingIOError:
            wait_for(sock, select.POLLOUT, deadline)
        _check_error(sock)
    except OSError:
        sock.close()
        raise ProbeFailure("connect", "the host refuses the connection") from None
    except BaseException:
        sock.close()
        raise
    return sock


def _check_error(sock: socket.socket) -> None:
    """Raise `OSError` if a connection has failed."""
    problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if problem:
        raise OSError(problem, "no connection")


def _secured(
    sock: socket.socket, context: ssl.SSLContext, host: str, deadline: Deadline
) -> ssl.SSLSocket:
    secured = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                wait_for(secured, select.POLLIN, deadline)
            except ssl.SSLWantWriteError:
                wait_for(secured, select.POLLOUT, deadline)
            else:
                return secured
    except ssl.SSLCertVerificationError as problem:
        secured.close()
        raise _refused(problem) from None
    except (ssl.SSLError, OSError) as problem:
        secured.close()
        reason = getattr(problem, "reason", None) or "the connection ended"
        raise ProbeFailure("tls", f"no TLS connection: {reason}") from None
    except BaseException:
        secured.close()
        raise


def _refused(problem: ssl.SSLCertVerificationError) -> ProbeFailure:
    code, why = problem.verify_code, problem.verify_message
    if code == _EXPIRED:
        return ProbeFailure("tls_expired", "the certificate has expired")
    if code == _NOT_YET:
        return ProbeFailure("tls_not_yet_valid", "the certificate is not valid yet")
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return ProbeFailure("tls_name", "the certificate is for another name")
    return ProbeFailure("tls_untrusted", f"the certificate is not trusted: {why}"[:500])


def _note_tls(sock: socket.socket, measured: Measured) -> None:
    assert isinstance(sock, ssl.SSLSocket)
    measured.tls_version = sock.version()
    expires = (sock.getpeercert() or {}).get("notAfter")
    if isinstance(expires, str):
        seconds = ssl.cert_time_to_seconds(expires)
        measured.certificate_expires_s = datetime.fromtimestamp(seconds, UTC).timestamp()
