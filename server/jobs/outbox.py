"""Consumers of events.

An event is written with the change, and `relay.py` passes it to all its consumers in one
transaction. So an event of a change that was rolled back reaches no consumer, and one of a change
that was made reaches each, in effect once, also when the process is killed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from novaql.server.db.unit import Unit


@dataclass(frozen=True, slots=True)
class EventEnvelope:
    """One event, as consumers see it."""

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]
    request_id: str


@dataclass(frozen=True, slots=True)
class Consumer:
    """What acts on events.

    pattern  a type, `noun.*`, or `*`
    take     what to do: rows and jobs by the unit, nothing else
    filters  patterns of the types among these that it acts on now, read from the database. An event
             that no consumer acts on is done without a transaction of its own. None: all
    """

    pattern: str
    take: Callable[[Unit, EventEnvelope], None]
    filters: Callable[[Unit], Sequence[str]] | None = None

    def wants(self, type_: str) -> bool:
        return matches(self.pattern, type_)


def matches(pattern: str, type_: str) -> bool:
    """Whether a pattern is for a type: `*` for all, `incident.*` for all that begin so."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return type_.startswith(pattern[:-1])
    return pattern == type_


def acted_on(unit: Unit, consumers: Iterable[Consumer]) -> list[str]:
    """Patterns of the types that any of the consumers acts on now."""
    patterns: list[str] = []
    for consumer in consumers:
        patterns += (consumer.pattern,) if consumer.filters is None else consumer.filters(unit)
    return patterns
