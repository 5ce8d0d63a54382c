"""The unit of work of one request: a transaction that begins when its endpoint runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import TypeVar

from sqlalchemy.orm import Session
from starlette.requests import Request

from novaql.fast_dataclass import dataclass
from novaql.server.db.engine import tables_used
from novaql.server.db.unit import Unit
from novaql.server.http.request import context_of, origin_of, principal_of, unit_for
from novaql.server.tenants.context import ServerContext

Done = TypeVar("Done")


@dataclass(slots=True)
class RequestUnit(Unit):
    """A `Unit` that has no session before `begin`.

    FastAPI solves dependencies on the event loop, but the transaction belongs to the thread that
    runs the endpoint. It begins only there.
    """

    session: Session = field(init=False)
    request: Request = field(kw_only=True)
    context: ServerContext = field(kw_only=True)

    @contextmanager
    def begin(self, *, writes: bool) -> Iterator[None]:
        """Begin a transaction. It commits at the end of the block, and rolls back after an
        exception. The commit wakes the runner of jobs and the relay of events if there are new
        ones.
        """
        self.wakes = self.publishes = False
        with self.context.transaction(writes=writes) as session:
            self.session = session
            yield
            tables = self.request.scope["state"].get("tables_read")
            if tables is not None:  # the answer may be cached
                tables |= tables_used(session).read
        self.context.wake(self)


async def request_unit(request: Request) -> RequestUnit:
    """Return the unit of an admitted request."""
    context, principal = context_of(request), principal_of(request)
    return RequestUnit(
        clock=context.clock,
        keys=context.keys,
        settings=context.settings,
        tenant_id=principal.tenant_id,
        tenant_name=principal.tenant_name,
        actor=context.actor_of(principal),
        origin=origin_of(request),
        request=request,
        context=context,
    )


async def in_unit(request: Request, work: Callable[[Unit], Done], *, writes: bool = False) -> Done:
    """Run database work of an asynchronous endpoint in a thread, as one transaction."""

    def run() -> Done:
        with unit_for(request, writes=writes) as unit:
            done = work(unit)
            tables = request.scope["state"].get("tables_read")
            if tables is not None:  # the answer may be cached
                tables |= tables_used(unit.session).read
            return done

    pools = context_of(request).pools
    threads = pools.state if writes else pools.readers
    return await threads.run(run, tenant=principal_of(request).tenant_id)
