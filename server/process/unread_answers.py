"""Bounds the memory of all answers that clients have not read yet.

A large answer is in memory until its client has read it. A client that reads a few bytes now and
then is never idle, so the number of such clients has to be bounded by what they hold. Clients that
read steadily are the last that lose their answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from novaql.server.pools.query_memory import memory_for_queries
from novaql.server.settings import Settings

SHARE = 2
"""Unread answers may have 1/2 of the memory for queries."""


class Connection(Protocol):
    """What sends an answer."""

    def abort(self) -> None: ...


class UnreadAnswer(NamedTuple):
    """octets: in memory, not sent; late_s: seconds that the client is behind one that reads at the
    lowest permitted rate, negative if it is ahead."""

    tenant: str
    octets: int
    late_s: float
    connection: Connection


class Reading:
    """How a client reads the answers of its connection, observed once a second.

    ahead_s  seconds that the client is ahead of one that reads `least_rate` bytes a second; at most
             `idle_s`
    """

    def __init__(self, least_rate: float, idle_s: float) -> None:
        self.ahead_s = 0.0
        self._least_rate, self._idle_s = least_rate, idle_s
        self._unsent = 0
        self._written = 0
        self._read_at = 0.0

    def begin(self, now: float) -> None:
        """Start the time of `idle_s`."""
        self._read_at = now

    def observe(self, unsent: int, written: int, now: float, passed: float) -> bool:
        """Return whether the client has read a part of its answer within `idle_s`, or there is no
        answer.

        unsent   bytes in the connection's buffer
        written  bytes of the answer that the connection has accepted until now. A large answer is
                 written piece by piece, the next as soon as the one before is sent: the buffer
                 alone does not show how much the client has read.
        passed   seconds since the last observation
        """
        before, self._written = self._written, written
        if unsent or self._unsent:
            read = max(0, self._unsent - unsent + max(0, written - before))
            self.ahead_s += read / self._least_rate - passed
            self.ahead_s = min(self.ahead_s, self._idle_s)
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._read_at = unsent, now
        return now - self._read_at <= self._idle_s


def memory_for_answers(settings: Settings) -> int:
    """Return the bytes that the unread answers of one process may have."""
    return memory_for_queries(settings) // SHARE


def beyond(answers: Iterable[UnreadAnswer], most: int) -> list[UnreadAnswer]:
    """Return the answers to end so that the others have at most `most` bytes: the one of the tenant
    that has the most whose client is furthest behind, repeatedly."""
    of_tenants: defaultdict[str, list[UnreadAnswer]] = defaultdict(list)
    held: defaultdict[str, int] = defaultdict(int)
    for answer in answers:
        of_tenants[answer.tenant].append(answer)
        held[answer.tenant] += answer.octets
    total, ended = sum(held.values()), []
    if total > most:
        for waiting in of_tenants.values():
            waiting.sort(key=lambda answer: answer.late_s)
    while total > most:
        tenant = max(held, key=held.__getitem__)
        latest = of_tenants[tenant].pop()
        held[tenant] -= latest.octets
        total -= latest.octets
        ended.append(latest)
    return ended
