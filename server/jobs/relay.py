"""The relay: passes published events to their consumers.

It polls the outbox for events without a mark of the relay (`relayed_at`), in the order in which
they are due, a few of each tenant in turn. One transaction contains the writes of an event's
consumers and its mark, so a killed process neither loses nor repeats it. That transaction locks the
row; relays of other processes skip it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, select, update

from novaql.server.db.rows import Tenant
from novaql.server.db.tables import Event
from novaql.server.db.unit import Origin, system_actor
from novaql.server.jobs.job import LONGEST_WAIT, as_system, backoff
from novaql.server.jobs.leases import ClockCheck
from novaql.server.jobs.loop import Loop
from novaql.server.jobs.outbox import Consumer, EventEnvelope, acted_on, matches
from novaql.server.tenants.context import ServerContext

log = logging.getLogger(__name__)
NAME = "events.relay"
BATCH = 8
"""The number of events that the relay passes to consumers in one turn of a tenant."""

_LOOK = 256
_UNRELAYED = Event.relayed_at.is_(None)


class Relay:
    """Relays events in a thread. Several processes can relay at the same time.

    runs    whether `start` starts the thread
    poll_s  the interval of polls for events that another process has published
    retry   returns the wait after a number of failed attempts
    """

    def __init__(
        self,
        context: ServerContext,
        consumers: Sequence[Consumer],
        *,
        runs: bool = True,
        poll_s: float = 0.5,
        retry: Callable[[int], timedelta] = backoff,
    ) -> None:
        self._context = context
        self._consumers = consumers
        self._runs = runs
        self._retry = retry
        self._times = ClockCheck(context.clock, self._mend_times)
        self._loop = Loop("relay", lambda: 0 if self.relay_round() else None, every_s=poll_s)

    def start(self) -> None:
        """Start the thread."""
        if self._runs:
            self._loop.start()

    def stop(self) -> None:
        """Stop after the event that is being relayed."""
        self._loop.stop()

    def wake(self) -> None:
        """Poll for events now."""
        self._loop.wake()

    def run_due(self, *, most: int = 10_000) -> int:
        """Relay in this thread until no event is due. Return their number. For tests."""
        done = 0
        while (found := self.relay_round()) and done < most:
            done += found
        if found:
            raise RuntimeError(f"more than {most} events were due: each publishes another")
        return done

    def relay_round(self) -> int:
        """Relay a few due events of each tenant that has some. Return their number."""
        if self._context.database.is_fallback:  # the mark would be lost
            return 0
        self._times.check()
        done, last = 0, ""
        while (tenant := self._tenant_after(last)) is not None and not self._loop.stopping.is_set():
            last = tenant.id
            try:
                done += self._relay_some(as_system(self._context, tenant, NAME))
            except Exception:  # of this tenant; other tenants must not wait for it
                log.exception("events could not be relayed", extra={"tenant": tenant.id})
        return done

    def _tenant_after(self, tenant_id: str) -> Tenant | None:
        """Return the next tenant by id that has unrelayed events."""
        with self._context.database.read(None) as session:
            return session.execute(next_tenant(tenant_id)).scalar_one_or_none()

    def _relay_some(self, context: ServerContext) -> int:
        with context.unit(system_actor(NAME), Origin(NAME), writes=False) as unit:
            due = unit.session.execute(due_events(unit.now())).all()
            patterns = acted_on(unit, self._consumers) if due else []
        wanted: list[str] = []
        others: list[str] = []
        for event_id, type_ in due:
            is_wanted = any(matches(pattern, type_) for pattern in patterns)
            (wanted if is_wanted else others).append(event_id)
        done = self._mark(context, others)
        for event_id in wanted[:BATCH]:
            if self._loop.stopping.is_set():
                break
            done += self._relay(context, event_id)
        return done

    def _mark(self, context: ServerContext, event_ids: Sequence[str]) -> int:
        """Mark events that no consumer acts on. No answer depends on the marks, and after a power
        failure they are set again."""
        if not event_ids:
            return 0
        own = select(Event.id).where(Event.id.in_(event_ids), _UNRELAYED).order_by(Event.id)
        with context.database.write(
            context.tenant_id, durability="relaxed", visible=False
        ) as session:
            ids = session.execute(own.with_for_update(skip_locked=True)).scalars().all()
            session.execute(
                update(Event).where(Event.id.in_(ids)).values(relayed_at=context.clock.now())
            )
        self._count("ok", len(ids))
        return len(ids)

    def _relay(self, context: ServerContext, event_id: str) -> bool:
        """Pass an event to its consumers. False: another process has it."""
        try:
            with context.unit(system_actor(NAME), Origin(event_id), writes=True) as unit:
                event = unit.session.execute(_held(event_id)).scalar_one_or_none()
                if event is None:
                    return False
                envelope = EventEnvelope(
                    event.id, event.type, event.at, event.data, event.request_id
                )
                for consumer in self._consumers:
                    if consumer.wants(event.type):
                        consumer.take(unit, envelope)
                event.relayed_at = unit.now()
        except Exception:
            log.exception("an event could not be relayed", extra={"event": event_id})
            self._put_off(context, event_id)
            self._count("failed")
        else:
            self._count("ok")
        return True

    def _put_off(self, context: ServerContext, event_id: str) -> None:
        with context.database.write(
            context.tenant_id, durability="relaxed", visible=False
        ) as session:
            event = session.execute(_held(event_id)).scalar_one_or_none()
            if event is not None:
                event.attempts += 1
                event.next_at = context.clock.now() + self._retry(event.attempts)

    def _mend_times(self, now: datetime) -> None:
        """Correct the times of events after the clock was set back, so that they are relayed as
        soon as intended."""
        ahead = update(Event).where(_UNRELAYED)
        longest = now + LONGEST_WAIT
        with self._context.database.write(None, durability="relaxed", visible=False) as session:
            session.execute(
                ahead.where(Event.attempts == 0, Event.next_at > now).values(next_at=now)
            )
            session.execute(ahead.where(Event.next_at > longest).values(next_at=longest))

    def _count(self, outcome: str, events: int = 1) -> None:
        self._context.telemetry.jobs.labels(NAME, outcome).inc(events)


def next_tenant(after: str) -> Select[Tenant]:
    """Select the first tenant after an id that has unrelayed events."""
    first = select(Event.tenant_id).where(_UNRELAYED, Event.tenant_id > after)
    found = first.order_by(Event.tenant_id).limit(1).scalar_subquery()
    return select(Tenant).where(Tenant.id == found)


def due_events(now: datetime) -> Select[str, str]:
    """Select ids and types of the first due events of the session's tenant."""
    due: tuple[ColumnElement[bool], ...] = (_UNRELAYED, Event.next_at <= now)
    in_order = select(Event.id, Event.type).where(*due).order_by(Event.next_at, Event.id)
    return in_order.limit(_LOOK)


def _held(event_id: str) -> Select[Event]:
    """Select an event if it is unrelayed and no other transaction locks it."""
    one = select(Event).where(Event.id == event_id, _UNRELAYED)
    return one.with_for_update(skip_locked=True)
