"""What all connections of a process share: their limits and counts, and one timer that checks them.

The timer runs once a second. It closes connections that are too slow. If the answers that clients
have not read yet take too much memory together, it closes those of the slowest clients.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Protocol

from novaql.fast_dataclass import dataclass
from novaql.server.process.connections import Connections
from novaql.server.process.proxies import TrustedProxies
from novaql.server.process.unread_answers import UnreadAnswer, beyond
from novaql.server.telemetry import Telemetry

log = logging.getLogger("novaql.server")


class Guarded(Protocol):
    """A connection."""

    def check(self, now: float, passed: float) -> None: ...

    def unread_answer(self) -> UnreadAnswer | None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    head_bytes   of a request line and its headers; `headers` is their number
    head_s       from the first byte of a head (or from connecting) to its end
    least_rate   bytes a second of a body, after its first `grace_s`; clients that read answers
                 faster are the last that lose them
    idle_s       without a byte of a body, or with an answer that the client does not read
    keep_alive_s       between an answer and the next request. Longer than clients and proxies hold
                       their connections (60 to 90 s): a request that is sent just when the server
                       closes the connection gets no answer
    unread_s     for the rest of a body whose request was answered already, and `unread_bytes`
    framing      bytes of chunk sizes, extensions and trailers for each byte of a body, in addition
                 to `framing_bytes`
    pipelined    requests that wait for the answers to earlier ones
    """

    head_bytes: int = 64 << 10
    headers: int = 100
    head_s: float = 10.0
    least_rate: int = 16 << 10
    grace_s: float = 10.0
    idle_s: float = 60.0
    keep_alive_s: float = 120.0
    unread_s: float = 10.0
    unread_bytes: int = 16 << 20
    framing: int = 16
    framing_bytes: int = 16 << 10
    pipelined: int = 512


class Guard:
    """State that the connections of one process share: limits, counts, and the timer.

    answer_bytes  limit of all answers together that clients have not read
    """

    def __init__(
        self,
        telemetry: Telemetry,
        connections: Connections,
        proxies: TrustedProxies,
        limits: Limits | None = None,
        *,
        answer_bytes: int,
    ) -> None:
        self.telemetry = telemetry
        self.connections = connections
        self.proxies = proxies
        self.limits = limits or Limits()
        self._answer_bytes = answer_bytes
        self._open: set[Guarded] = set()
        self._checking = False

    def watch(self, protocol: Guarded, loop: asyncio.AbstractEventLoop) -> None:
        """Check a connection once a second until `forget`."""
        self._open.add(protocol)
        if not self._checking:
            self._checking = True
            loop.call_later(1.0, self._check_all, loop, loop.time())

    def forget(self, protocol: Guarded) -> None:
        """Stop checking a connection that has closed."""
        self._open.discard(protocol)

    def _check_all(self, loop: asyncio.AbstractEventLoop, before: float) -> None:
        now = loop.time()
        for protocol in list(self._open):
            protocol.check(now, now - before)
        self._end_unread()
        self._checking = bool(self._open)
        if self._checking:
            loop.call_later(1.0, self._check_all, loop, now)

    def _end_unread(self) -> None:
        """Close connections if the unread answers have too many bytes together."""
        answers = (protocol.unread_answer() for protocol in self._open)
        ended = beyond((answer for answer in answers if answer is not None), self._answer_bytes)
        for answer in ended:
            answer.connection.abort()
        for tenant, count in Counter(answer.tenant for answer in ended).items():
            log.warning(
                "ended %d answers that clients of tenant %s had not read: all unread answers may "
                "have %d MiB",
                count,
                tenant,
                self._answer_bytes >> 20,
            )
