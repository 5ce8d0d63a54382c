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
