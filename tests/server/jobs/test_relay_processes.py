"""The relay beside others: killed, at work on the same events, woken by commits."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from novaql.server.clock import SteppedClock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.tables import Job
from novaql.server.db.unit import Unit
from novaql.server.jobs.outbox import Consumer, EventEnvelope
from novaql.server.jobs.relay import Relay
from tests.server.conftest import MASTER_KEY
from tests.support.servers.forked import fork_context
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.relay_rig import (
    HANG_S,
    Heard,
    add_one,
    counted,
    events,
    publish,
    relay,
    until,
)
from tests.support.servers.state_databases import another


class Killed(BaseException):
    """As the process would be: nothing catches it."""


def test_a_relay_that_is_killed_between_the_consumers_and_the_mark(served: LocalServer) -> None:
    def die(*_: object) -> None:
        raise Killed

    publish(served, "thing.happened")
    count = Consumer("thing.*", lambda unit, _: add_one(unit))
    with pytest.raises(Killed):
        relay(served, count, Consumer("thing.*", die)).run_due()
    assert counted(served) == 0
    (left,) = events(served.context.database)
    assert (left.relayed_at, left.attempts) == (None, 0)

    assert relay(served, count).run_due() == 1
    assert counted(served) == 1


def test_an_event_in_the_hands_of_another_process_is_skipped(
    served: LocalServer, clock: SteppedClock, database: StateDatabase
) -> None:
    """PostgreSQL relays the others meanwhile; SQLite has one writer at a time."""
    held, end = threading.Event(), threading.Event()
    slow, quick = Heard(), Heard()

    def wait(unit: Unit, happened: EventEnvelope) -> None:
        slow.take(unit, happened)
        held.set()
        assert end.wait(HANG_S)

    publish(served, *["thing.happened"] * 3)
    with local_server(database=another(database), clock=clock, master_key=MASTER_KEY) as beside:
        first = threading.Thread(target=relay(served, Consumer("*", wait)).relay_round)
        other = threading.Thread(target=relay(beside, quick.consumer).run_due)
        first.start()
        try:
            assert held.wait(HANG_S)
            other.start()
            if not database.is_sqlite:
                other.join(HANG_S)
                assert quick.numbers == [1, 2]
        finally:
            end.set()
            first.join(HANG_S)
            other.join(HANG_S)
    assert sorted(slow.numbers + quick.numbers) == [0, 1, 2]
    assert slow.numbers[0] == 0


def _relay_in_a_process(url: str, data: str) -> None:
    """What each of several processes does: for every event it adds one, and a job."""

    def take(unit: Unit, happened: EventEnvelope) -> None:
        add_one(unit)
        unit.enqueue("heard", payload={"n": happened.data["n"]})

    with local_server(database=StateDatabase(url, durable=False), master_key=MASTER_KEY) as served:
        Path(data).touch()
        work = relay(served, Consumer("*", take))
        end = time.monotonic() + HANG_S
        while any(one.relayed_at is None for one in events(served.context.database)):
            work.relay_round()
            assert time.monotonic() < end


@pytest.mark.slow
def test_two_processes_relay_every_event_once(
    served: LocalServer, database: StateDatabase, tmp_path: Path
) -> None:
    publish(served, *["thing.happened"] * 60)
    url = database.url.render_as_string(hide_password=False)
    started = [tmp_path / f"started{number}" for number in range(2)]
    context, target = fork_context(), _relay_in_a_process
    processes = [context.Process(target=target, args=(url, str(path))) for path in started]
    for process in processes:
        process.start()
    for process in processes:
        process.join(5 * HANG_S)

    assert [process.exitcode for process in processes] == [0, 0]
    assert all(one.exists() for one in started)
    assert counted(served) == 60
    with database.read(None) as session:
        heard = session.execute(select(Job.payload).where(Job.kind == "heard")).scalars().all()
    assert sorted(one["n"] for one in heard) == list(range(60))


def test_a_commit_wakes_the_relay_at_once(database: StateDatabase) -> None:
    """It looks once in an hour, and yet it relays what units and requests of this process write."""
    heard: list[str] = []
    take = Consumer("*", lambda _, happened: heard.append(happened.type))
    with local_server(database=database) as served:
        work = Relay(served.context, [take], poll_s=3600)
        served.context.lifecycle.event_wakers.append(work.wake)
        work.start()
        try:
            publish(served, "thing.happened")
            until(lambda: heard == ["thing.happened"])
            body = {"name": "ci", "role": "read_only"}
            made = served.client.post("/v1/tokens", json=body, headers=served.bearer())
            assert made.status_code == 201
            until(lambda: "audit.token.create" in heard)
        finally:
            work.stop()


def test_a_look_finds_what_another_process_has_published(
    served: LocalServer, clock: SteppedClock, database: StateDatabase
) -> None:
    heard = Heard()
    work = relay(served, heard.consumer)
    work.start()
    try:
        with local_server(database=another(database), clock=clock, master_key=MASTER_KEY) as beside:
            publish(beside, "thing.happened")
            until(lambda: heard.numbers == [0])
    finally:
        work.stop()
