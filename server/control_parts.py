"""Builds the control plane: the index of all routes, the relay of events, the runner of jobs."""

from __future__ import annotations

import functools
import threading
from typing import Any

from sqlalchemy import func, select
from starlette.applications import Starlette

from novaql import __version__
from novaql.fast_dataclass import dataclass
from novaql.server.console import mount_console
from novaql.server.db.tables import Event
from novaql.server.http.index import RouteIndex
from novaql.server.ids import continue_after, is_id
from novaql.server.jobs.housekeeping import housekeeper
from novaql.server.jobs.leases import holder_of
from novaql.server.jobs.relay import Relay
from novaql.server.jobs.runner import JobRunner
from novaql.server.ledger.keys import report_lost as report_lost_ledger_keys
from novaql.server.openapi.document import openapi_document
from novaql.server.routes import ROUTES
from novaql.server.tenants.context import ServerContext
from novaql.server.wiring import CONSUMERS, EVENT_TYPES, JOBS, RETENTIONS

_INDEX = RouteIndex(ROUTES)

# FastAPI cannot build a document in two threads at once: each would find fields of the other in
# FastAPI's caches.
_BUILDING = threading.Lock()


@dataclass(frozen=True, slots=True)
class ControlParts:
    """The parts that the control plane adds to a server. `relay` and `runner` are not started."""

    index: RouteIndex
    relay: Relay
    runner: JobRunner

    @property
    def jobs(self) -> tuple[Relay, JobRunner]:
        """What runs as long as the server."""
        return self.relay, self.runner

    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        with _BUILDING:
            return _document()


def build(app: Starlette, context: ServerContext, *, owned_elsewhere: bool) -> ControlParts:
    """Build the control plane of an application, and serve the console.

    owned_elsewhere   another process runs the jobs
    """
    context.lifecycle.event_types = EVENT_TYPES
    settings = context.settings
    _continue_event_ids(context)
    if not owned_elsewhere:
        report_lost_ledger_keys(settings, context.database)
    runner = JobRunner(
        context,
        () if owned_elsewhere else JOBS,
        threads=1 if owned_elsewhere else settings.job_threads,
        poll_s=settings.job_poll_s,
        housekeeping=housekeeper(context, RETENTIONS),
        holder=None if owned_elsewhere else holder_of(settings.data),
    )
    context.lifecycle.job_wakers.append(runner.wake)
    relay = Relay(
        context,
        CONSUMERS,
        runs=settings.job_threads > 0 and not owned_elsewhere,
        poll_s=settings.job_poll_s,
    )
    context.lifecycle.event_wakers.append(relay.wake)
    mount_console(app)
    return ControlParts(_INDEX, relay, runner)


def _continue_event_ids(context: ServerContext) -> None:
    """Consumers of events ignore those with an id before the last one that they handled."""
    with context.database.read(None) as session:
        newest = session.execute(select(func.max(Event.id))).scalar()
    if newest is not None and is_id(newest):
        continue_after(newest)


@functools.cache
def _document() -> dict[str, Any]:
    """Build the document on first use: this takes as long as the rest of a start."""
    return openapi_document(ROUTES, version=__version__)
