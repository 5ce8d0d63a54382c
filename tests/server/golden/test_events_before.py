"""Events that an earlier version published, with a job for each, are relayed when they were due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alembic import command
from sqlalchemy import select, text

from novaql.server.clock import SteppedClock, to_ms
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import configuration, migrate
from novaql.server.db.tables import Event, Job
from novaql.server.db.unit import Origin, Unit
from novaql.server.ids import new_id
from novaql.server.jobs.outbox import Consumer, EventEnvelope
from novaql.server.jobs.relay import Relay
from tests.support.servers.http_server import LocalServer

_EVENT = text(
    "INSERT INTO events (tenant_id, id, at, type, data, request_id, relayed_at)"
    " VALUES (:tenant, :id, :at, 'thing.happened', :data, 'req_1', :relayed_at)"
)
_JOB = text(
    "INSERT INTO jobs (tenant_id, id, kind, key, payload, created_at, run_at, set_at, attempts,"
    " lease, lease_until, leased_by)"
    " VALUES (:tenant, :job, :kind, :id, '{}', :at, :run_at, :at, :attempts,"
    " :lease, :lease_until, :lease)"
)


def downgrade(database: StateDatabase) -> None:
    """Back to the tables of the version before."""
    config = configuration()
    with database.engine.execution_options(immediate=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "platform_0005")


def test_what_waits_is_relayed_when_its_job_was_due(
    served: LocalServer, clock: SteppedClock, database: StateDatabase
) -> None:
    now = to_ms(clock.now())
    tenant = served.context.access.default_principal.tenant_id
    ids = [new_id("evt") for _ in range(5)]

    def row(number: int, **more: Any) -> dict[str, Any]:
        return {
            "tenant": tenant,
            "id": ids[number],
            "job": new_id("job"),
            "kind": "events.relay",
            "at": now - 1000,
            "data": f'{{"n": {number}}}',
            "relayed_at": None,
            "run_at": now - 1000,
            "attempts": 0,
            "lease": None,
            "lease_until": None,
            **more,
        }

    waits = row(0)
    failed = row(1, run_at=now + 4000, attempts=3)
    running = row(2, lease="lease_1", lease_until=now + 10_000)  # its server was killed
    done = row(3, relayed_at=now - 500)
    without_job = row(4)
    downgrade(database)
    with database.engine.execution_options(immediate=True).begin() as connection:
        connection.execute(_EVENT, [waits, failed, running, done, without_job])
        connection.execute(_JOB, [waits, failed, running])
        connection.execute(_JOB, row(0, kind="audit.export"))
    migrate(database)

    heard: list[tuple[int, int]] = []

    def take(unit: Unit, happened: EventEnvelope) -> None:
        heard.append((happened.data["n"], to_ms(unit.now()) - now))

    relay = Relay(served.context, [Consumer("*", take)])
    relay.run_due()
    with database.read(None) as session:
        late = session.execute(select(Event).where(Event.id == ids[1])).scalar_one()
        kinds = session.execute(select(Job.kind)).scalars().all()
    clock.step(timedelta(seconds=4))
    relay.run_due()

    assert heard == [(0, 0), (2, 0), (4, 0), (1, 4000)]
    assert (late.attempts, to_ms(late.next_at)) == (3, now + 4000)
    assert kinds == ["audit.export"]


def test_a_version_before_relays_what_waits_here(
    served: LocalServer, clock: SteppedClock, database: StateDatabase
) -> None:
    """The way back gives each event that waits its job."""
    context = served.context.scoped(served.context.access.default_principal)
    with context.unit(
        context.actor_of(context.access.default_principal), Origin("req_1"), writes=True
    ) as unit:
        published = unit.publish("thing.happened", {"n": 1})
    downgrade(database)
    with database.engine.begin() as connection:
        found = connection.execute(text("SELECT kind, key, run_at, attempts FROM jobs")).all()

    assert [tuple(one) for one in found] == [("events.relay", published, to_ms(clock.now()), 0)]
