"""The outbox's other end: who hears of what happened.

An event is written with the change, and a job with it; the job tells all consumers in one
transaction. So an event of a change that was rolled back never reaches anybody, and one of a change
that was made reaches everybody, in effect once, also when the process is killed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from novaql.server.db.tables import Event
from novaql.server.db.unit import Unit
from novaql.server.jobs.runner import JobKind, JobRun


@dataclass(frozen=True, slots=True)
class Happened:
    """One event, as consumers see it."""

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]
    request_id: str


@dataclass(frozen=True, slots=True)
class Consumer:
    """Someone who wants to hear of events.

    pattern  a type, `noun.*`, or `*`
    take     what to do: rows and jobs by the unit, nothing else
    """

    pattern: str
    take: Callable[[Unit, Happened], None]

    def wants(self, type_: str) -> bool:
        return matches(self.pattern, type_)


def matches(pattern: str, type_: str) -> bool:
    """Whether a pattern is for a type: `*` for all, `incident.*` for all that begin so."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return type_.startswith(pattern[:-1])
    return pattern == type_


def relay(consumers: Sequence[Consumer]) -> JobKind:
    """The kind of job that tells these consumers."""

    def run(job: JobRun) -> None:
        with job.finish() as unit:
            event = unit.session.execute(
                select(Event).where(Event.id == job.key)
            ).scalar_one_or_none()
            if event is None or event.relayed_at is not None:
                return
            happened = Happened(event.id, event.type, event.at, event.data, event.request_id)
            for consumer in consumers:
                if consumer.wants(event.type):
                    consumer.take(unit, happened)
            event.relayed_at = unit.now()

    return JobKind("events.relay", run)
