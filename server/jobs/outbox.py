"""Consumers of events.

An event is written with its change, and `relay.py` passes it to all its consumers in one
transaction. If the change rolls back, no consumer receives the event. If it commits, each consumer
receives the event with effect exactly once, even if the process is killed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.db.unit import Unit


@dataclass(frozen=True, slots=True)
class EventEnvelope:
    """An event in the form that consumers receive."""

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]
    request_id: str


@dataclass(frozen=True, slots=True)
class Consumer:
    """A function that consumes events.

    pattern  a type, `noun.*`, or `*`
    take     consumes an event: it writes rows and jobs by the unit, nothing else
    filters  returns patterns of the types that it acts on now, read from the database. An event
             without any such consumer is marked as relayed without a separate transaction. None:
             all types
    """

    pattern: str
    take: Callable[[Unit, EventEnvelope], None]
    filters: Callable[[Unit], Sequence[str]] | None = None

    def wants(self, type_: str) -> bool:
        return matches(self.pattern, type_)


def matches(pattern: str, type_: str) -> bool:
    """Return whether a pattern matches a type: `*` all types, `incident.*` those with that
    prefix."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return type_.startswith(pattern[:-1])
    return pattern == type_


def acted_on(unit: Unit, consumers: Iterable[Consumer]) -> list[str]:
    """Return patterns of the types that any of the consumers acts on now."""
    patterns: list[str] = []
    for consumer in consumers:
        patterns += (consumer.pattern,) if consumer.filters is None else consumer.filters(unit)
    return patterns
