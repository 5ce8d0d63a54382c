"""create_app(): assemble the server from its parts."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from novaql import __version__
from novaql.server.clock import Clock
from novaql.server.console import mount_console
from novaql.server.db.engine import StateDatabase
from novaql.server.http.compression import Compression
from novaql.server.http.edge import Edge
from novaql.server.http.index import Indexed, RouteIndex
from novaql.server.http.problem import answer_failure
from novaql.server.http.site import Site
from novaql.server.jobs.housekeeping import housekeeper
from novaql.server.jobs.leases import holder_of
from novaql.server.jobs.relay import Relay
from novaql.server.jobs.runner import JobRunner
from novaql.server.ledger.keys import report_lost as report_lost_ledger_keys
from novaql.server.openapi.document import openapi_document
from novaql.server.routes import ROUTES
from novaql.server.scraping.tenants import managers_of, scrape_files_of
from novaql.server.settings import Settings
from novaql.server.tenants.assembly import assemble, close
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.scrapes import ScrapeReport
from novaql.server.tenants.store import Store
from novaql.server.tuning import USUAL, Tuning
from novaql.server.wiring import CONSUMERS, EVENT_TYPES, JOBS, RETENTIONS


class Job(Protocol):
    """Background work, such as a scraper, that runs as long as the server."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@runtime_checkable
class ScrapingJob(Protocol):
    """A job that scrapes targets for a tenant; `tenant_id` None: for the first one."""

    tenant_id: str | None

    def scrape_report(self) -> ScrapeReport: ...


def create_app(
    settings: Settings,
    *,
    store: Store | None = None,
    database: StateDatabase | None = None,
    clock: Clock | None = None,
    jobs: Sequence[Job] = (),
    owned_elsewhere: bool = False,
    tuning: Tuning = USUAL,
) -> FastAPI:
    """Create the application, and open the state database and the first tenant's store.

    store     store of the first tenant; None: the one in `settings.data`
    database  migrated state database; None: the one that the settings name
    clock     None: the clock file of the settings, or else the machine's clock
    jobs      the application starts them, and stops them before it closes the stores
    owned_elsewhere   another process owns the stores, scrapes and runs the jobs
    tuning    limits that no setting changes

    The application closes all of them when it shuts down. Raises a `StoreError` if the store
    cannot be opened, and `ArgumentError` if the database, its keys or the scrape configuration
    cannot be used.
    """
    every: list[Job] = [*jobs]
    scrape_files = scrape_files_of(None if owned_elsewhere else settings.scrape_config)
    context = assemble(
        settings,
        store=store,
        database=database,
        clock=clock,
        owned_elsewhere=owned_elsewhere,
        tuning=tuning,
        scrapes=lambda tenant_id: ScrapeReport.joined(
            job.scrape_report()
            for job in every
            if isinstance(job, ScrapingJob)
            and (job.tenant_id or context.access.default_principal.tenant_id) == tenant_id
        ),
    )
    context = replace(context, event_types=EVENT_TYPES)
    if not owned_elsewhere:
        report_lost_ledger_keys(settings, context.database)
    every += managers_of(scrape_files, context)
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
    app = FastAPI(
        title="NovaQL",
        version=__version__,
        lifespan=_lifespan(context, (*every, relay, runner)),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # see `telemetry.py`
    )
    context.telemetry.queries_running.set_function(lambda: context.pools.queries.running)
    app.state.context = context
    app.state.jobs, app.state.relay = runner, relay
    mount_console(app)
    app.openapi = _document  # type: ignore[method-assign]  # as FastAPI documents it
    for kind in (HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer_failure)
    app.add_middleware(Indexed, index=RouteIndex(ROUTES))
    app.add_middleware(Compression, smallest=settings.compression_min_bytes)
    app.add_middleware(Edge, telemetry=context.telemetry, site=Site.of(settings))
    return app


@functools.cache
def _document() -> dict[str, Any]:
    """Build the document on first use: this takes as long as the rest of a start."""
    return openapi_document(ROUTES, version=__version__)


def _lifespan(context: ServerContext, jobs: Sequence[Job]) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for job in jobs:
            job.start()
        try:
            yield
        finally:
            context.caches.measurements.close()
            await asyncio.to_thread(_close, context, jobs)

    return lifespan


def _close(context: ServerContext, jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.stop()
    close(context)
