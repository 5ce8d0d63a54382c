"""A relay for tests, and events of some tenants."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from novaql.server.auth.roles import Principal
from novaql.server.db.engine import StateDatabase
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import Event, User
from novaql.server.db.unit import Origin, Unit, system_actor
from novaql.server.jobs.outbox import Consumer, EventEnvelope
from novaql.server.jobs.relay import Relay
from novaql.server.tenants.context import ServerContext
from tests.support.servers.http_server import LocalServer

ORIGIN = Origin("req_test")
HANG_S = 60.0


def context_of(served: LocalServer, tenant: Tenant | None = None) -> ServerContext:
    mine = served.context.access.default_principal
    return served.context.scoped(mine if tenant is None else of(mine, tenant))


def of(principal: Principal, tenant: Tenant) -> Principal:
    return replace(principal, tenant_id=tenant.id, tenant_name=tenant.name)


def publish(
    served: LocalServer, *types: str, tenant: Tenant | None = None, first: int = 0
) -> list[str]:
    """Events with numbers, by one unit; their ids."""
    with context_of(served, tenant).unit(system_actor("test"), ORIGIN, writes=True) as unit:
        return [unit.publish(type_, {"n": first + n}) for n, type_ in enumerate(types)]


def relay(served: LocalServer, *consumers: Consumer, poll_s: float = 0.01) -> Relay:
    return Relay(served.context, consumers, poll_s=poll_s, retry=lambda n: timedelta(seconds=n))


def events(database: StateDatabase) -> list[Event]:
    with database.read(None) as session:
        return list(session.execute(select(Event).order_by(Event.id)).scalars())


def add_one(unit: Unit) -> None:
    user = unit.session.execute(select(User).with_for_update()).scalar_one()
    user.version += 1


def counted(served: LocalServer) -> int:
    """The number that `add_one` adds to."""
    with served.context.database.read(None) as session:
        return session.execute(select(User.version)).scalars().one() - 1


class Heard:
    """A consumer that records the numbers of its events."""

    def __init__(self, pattern: str = "*") -> None:
        self.numbers: list[int] = []
        self.consumer = Consumer(pattern, self.take)

    def take(self, unit: Unit, happened: EventEnvelope) -> None:  # noqa: ARG002 - a consumer's shape
        self.numbers.append(happened.data["n"])


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + HANG_S
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
