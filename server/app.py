"""create_app(): where everything meets."""

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
from novaql.server.errors import KINDS
from novaql.server.http.compression import Compression
from novaql.server.http.edge import Edge
from novaql.server.http.failures import answer_failure
from novaql.server.http.index import RouteIndex
from novaql.server.http.openapi import openapi_document
from novaql.server.http.site import Site
from novaql.server.jobs.housekeeping import housekeeper
from novaql.server.jobs.leases import holder_of
from novaql.server.jobs.relay import Relay
from novaql.server.jobs.runner import JobRunner
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
    """Background work, such as a scraper, that lives as long as the server."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@runtime_checkable
class ScrapingJob(Protocol):
    """A job whose scrapes are targets of a tenant; None: of the first one."""

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
    """The application, with its database and the first tenant's store open.

    store     the first tenant's samples; None opens `settings.data`
    database  everything else that is kept, migrated; None opens what the settings name
    clock     None is the machine's, or the file that the settings name
    jobs      started with the application, stopped before the stores close
    owned_elsewhere   this process has no stores, scrapes nothing and runs no jobs: another does
    tuning    limits of its own work

    All of them are closed with the application. Raises a `StoreError` if the store cannot be
    opened, `ArgumentError` if the database, its keys or the scrape configuration cannot be used.
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
    every += managers_of(scrape_files, context)
    runner = JobRunner(
        context,
        () if owned_elsewhere else JOBS,
        threads=1 if owned_elsewhere else settings.job_threads,
        housekeeping=housekeeper(context, RETENTIONS),
        holder=None if owned_elsewhere else holder_of(settings.data),
    )
    context.on_new_jobs(runner.wake)
    relay = Relay(context, CONSUMERS, runs=settings.job_threads > 0 and not owned_elsewhere)
    context.on_new_events(relay.wake)
    app = FastAPI(
        title="NovaQL",
        version=__version__,
        lifespan=_lifespan(context, (*every, relay, runner)),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # `telemetry.py` has ours
    )
    context.telemetry.queries_running.set_function(lambda: context.pools.queries.running)
    app.state.context = context
    app.state.jobs, app.state.relay = runner, relay
    app.router.routes.append(RouteIndex(ROUTES))
    mount_console(app)
    app.openapi = _document  # type: ignore[method-assign]  # FastAPI's own way to replace it
    for kind in (*KINDS, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer_failure)
    app.add_middleware(Compression, smallest=settings.compression_min_bytes)
    app.add_middleware(Edge, telemetry=context.telemetry, site=Site.of(settings))
    return app


@functools.cache
def _document() -> dict[str, Any]:
    """Made when it is first asked for: it takes as long as the rest of a start."""
    return openapi_document(ROUTES, version=__version__)


def _lifespan(context: ServerContext, jobs: Sequence[Job]) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for job in jobs:
            job.start()
        try:
            yield
        finally:
            await asyncio.to_thread(_close, context, jobs)

    return lifespan


def _close(context: ServerContext, jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.stop()
    close(context)
