"""The relay: each event reaches its consumers in effect once, in order, in turns of tenants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select, text

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.clock import SteppedClock, SystemClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import Event
from novaql.server.db.unit import Unit, system_actor
from novaql.server.jobs.job import LONGEST_WAIT
from novaql.server.jobs.outbox import Consumer, EventEnvelope, matches
from novaql.server.jobs.relay import BATCH, due_events, next_tenant
from novaql.server.webhooks.messages import CONSUMER
from tests.support.servers.http_server import LocalServer
from tests.support.servers.relay_rig import (
    ORIGIN,
    Heard,
    add_one,
    context_of,
    counted,
    events,
    publish,
    relay,
)


def in_unit(served: LocalServer, work: Callable[[Unit], object]) -> None:
    with context_of(served).unit(system_actor("test"), ORIGIN, writes=True) as unit:
        work(unit)


def test_events_reach_their_consumers_once(served: LocalServer) -> None:
    heard: list[tuple[str, str]] = []

    def take(unit: Unit, happened: EventEnvelope) -> None:
        heard.append((happened.type, str(happened.data["n"])))
        add_one(unit)

    publish(served, "incident.created", "alert.firing", "alert.resolved")
    work = relay(served, Consumer("incident.*", take), Consumer("alert.firing", take))

    assert (work.run_due(), work.run_due()) == (3, 0)
    assert heard == [("incident.created", "0"), ("alert.firing", "1")]
    assert counted(served) == 2
    assert all(one.relayed_at for one in events(served.context.database))


def test_patterns_of_events() -> None:
    assert matches("*", "incident.created")
    assert matches("incident.*", "incident.created")
    assert not matches("incident.*", "incidents.created")
    assert not matches("incident.created", "incident.resolved")


def test_events_are_relayed_in_the_order_of_their_publication(
    served: LocalServer, clock: SteppedClock
) -> None:
    heard = Heard("thing.*")
    for number in range(0, 30, 10):
        publish(served, *["thing.happened", "other.happened"] * 5, first=number)
        clock.step(timedelta(milliseconds=number % 3))
    relay(served, heard.consumer).run_due()

    assert heard.numbers == list(range(0, 30, 2))


def test_publishing_writes_no_job_and_looks_for_none(served: LocalServer) -> None:
    seen: list[str] = []
    heard = Heard("thing.*")

    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    engine = served.context.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        publish(served, *["thing.happened"] * 3)
        relay(served, heard.consumer).run_due()
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert [statement for statement in seen if "jobs" in statement] == []
    assert heard.numbers == [0, 1, 2]


def test_a_failure_is_tried_again_later_and_holds_up_no_other_event(
    served: LocalServer, clock: SteppedClock
) -> None:
    tries: list[int] = []

    def fail_twice(unit: Unit, happened: EventEnvelope) -> None:
        tries.append(happened.data["n"])
        add_one(unit)
        unit.session.flush()
        if happened.data["n"] == 0 and tries.count(0) <= 2:
            raise RuntimeError("no luck")

    start = clock.now()
    publish(served, "thing.happened", "thing.happened")
    work = relay(served, Consumer("thing.*", fail_twice))
    waits = []
    for _ in range(4):
        work.run_due()
        waits.append(events(served.context.database)[0])
        clock.step(timedelta(seconds=1))

    assert tries == [0, 1, 0, 0]  # at 0 s, after 1 s, and 2 s later
    assert [one.attempts for one in waits] == [1, 2, 2, 2]
    assert waits[0].next_at == start + timedelta(seconds=1)
    assert waits[1].next_at == waits[2].next_at == start + timedelta(seconds=3)
    assert waits[2].relayed_at is None
    assert waits[3].relayed_at == start + timedelta(seconds=3)
    assert counted(served) == 2


def test_failures_of_one_consumer_undo_what_others_wrote(served: LocalServer) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no luck")

    publish(served, "thing.happened")
    first = Consumer("thing.*", lambda unit, _: add_one(unit))
    relay(served, first, Consumer("*", fail)).run_due()

    assert counted(served) == 0


def test_a_backlog_does_not_delay_the_event_of_another_tenant(served: LocalServer) -> None:
    noisy = add_tenant(served.context.database, served.context.clock, "noisy")
    quiet = add_tenant(served.context.database, served.context.clock, "quiet")
    order: list[str] = []

    def take(unit: Unit, _: EventEnvelope) -> None:
        order.append(unit.tenant_name)

    publish(served, *["thing.happened"] * 100, tenant=noisy)
    publish(served, "thing.happened", tenant=quiet)
    work = relay(served, Consumer("*", take))
    work.relay_round()

    assert sorted(order) == ["noisy"] * BATCH + ["quiet"]
    publish(served, "thing.happened", tenant=quiet)
    work.relay_round()
    assert order.count("quiet") == 2
    work.run_due()
    assert order.count("noisy") == 100


def test_a_tenant_whose_events_cannot_be_read_does_not_stop_others(served: LocalServer) -> None:
    first = add_tenant(served.context.database, served.context.clock, "first")
    second = add_tenant(served.context.database, served.context.clock, "second")
    heard = Heard()

    def filters(unit: Unit) -> Sequence[str]:
        if unit.tenant_id == min(first.id, second.id):
            raise RuntimeError("no luck")
        return ["*"]

    publish(served, "thing.happened", tenant=first)
    publish(served, "thing.happened", tenant=second)
    relay(served, replace(heard.consumer, filters=filters)).run_due()

    assert heard.numbers == [0]


def test_a_unit_that_rolls_back_publishes_nothing(served: LocalServer) -> None:
    woken: list[bool] = []
    served.context.lifecycle.event_wakers.append(lambda: woken.append(True))

    def half(unit: Unit) -> None:
        unit.publish("incident.created", {})
        unit.session.flush()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        in_unit(served, half)
    assert (events(served.context.database), woken) == ([], [])


def test_events_that_no_consumer_acts_on_cost_no_transaction_each(served: LocalServer) -> None:
    """Without webhooks, most events. Cached answers stay valid, since no row of theirs changes."""
    database, tenant = served.context.database, served.context.access.default_principal.tenant_id
    publish(served, *["audit.token.create"] * 50)
    version = database.versions_of(tenant)
    commits: list[object] = []

    def note(connection: object) -> None:
        commits.append(connection)

    event.listen(database._relaxed, "commit", note)
    try:
        done = relay(served, CONSUMER).run_due()
    finally:
        event.remove(database._relaxed, "commit", note)

    assert done == 50
    assert len(commits) <= 2  # the marks, and a look at the clock
    assert database.versions_of(tenant) == version
    assert all(one.relayed_at for one in events(database))


def test_an_event_waits_neither_longer_nor_shorter_after_the_clock_is_set_back(
    served: LocalServer, clock: SteppedClock
) -> None:
    heard, failing = Heard("thing.*"), Heard("bad.*")

    def fail(unit: Unit, happened: EventEnvelope) -> None:
        failing.take(unit, happened)
        raise RuntimeError("no luck")

    consumers = (heard.consumer, Consumer("bad.*", fail))
    publish(served, "bad.happened")
    noticed = relay(served, *consumers)
    noticed.run_due()
    publish(served, "thing.happened")
    clock.step(timedelta(hours=-1))
    noticed.run_due()
    publish(served, "thing.happened", first=1)
    clock.step(timedelta(hours=-1))
    relay(served, *consumers).run_due()  # of a process that has just started

    assert heard.numbers == [0, 1]
    assert failing.numbers == [0]
    clock.step(LONGEST_WAIT)
    relay(served, *consumers).run_due()
    assert failing.numbers == [0, 0]


def test_nothing_is_relayed_while_a_copy_stands_in(
    served: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(served, "thing.happened")
    monkeypatch.setattr(served.context.database, "is_fallback", True)
    heard = Heard()
    assert relay(served, heard.consumer).run_due() == 0
    assert heard.numbers == []


def test_a_look_reads_unrelayed_events_alone(served: LocalServer, database: StateDatabase) -> None:
    """Of a million relayed ones none: an index has the others."""
    now = served.context.clock.now()
    looks = (next_tenant(""), due_events(now))
    with database.write(None) as session:
        bind = session.get_bind()
        if not database.is_sqlite:
            session.execute(text("SET LOCAL enable_seqscan = off"))
        for look in looks:
            sql = str(look.compile(bind, compile_kwargs={"literal_binds": True}))
            way = "EXPLAIN" if not database.is_sqlite else "EXPLAIN QUERY PLAN"
            plan = " ".join(str(row) for row in session.execute(text(f"{way} {sql}")))
            assert "ix_events_unrelayed" in plan


def test_the_index_serves_tenants_in_turn_whatever_their_number(served: LocalServer) -> None:
    tenants = [
        add_tenant(served.context.database, SystemClock(), f"t{number}") for number in range(5)
    ]
    for tenant in tenants[::2]:
        publish(served, "thing.happened", tenant=tenant)
    found, last = [], ""
    with served.context.database.read(None) as session:
        while one := session.execute(next_tenant(last)).scalar_one_or_none():
            found.append(one.id)
            last = one.id
        unrelayed = session.execute(
            select(func.count()).select_from(Event).where(Event.relayed_at.is_(None))
        ).scalar_one()
    assert found == sorted(tenant.id for tenant in tenants[::2])
    assert unrelayed == 3
