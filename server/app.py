"""create_app(): assemble the server from its parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from novaql.lazy_exports import lazy_module
from novaql.server.clock import Clock
from novaql.server.control_plane import ControlPlane
from novaql.server.data_routes import DATA_ROUTES
from novaql.server.db.engine import StateDatabase
from novaql.server.http.compression import Compression
from novaql.server.http.edge import Edge
from novaql.server.http.index import Indexed, LateIndex, RouteIndex
from novaql.server.http.problem import answer_failure
from novaql.server.http.site import Site
from novaql.server.settings import Settings
from novaql.server.tenants.assembly import assemble, close
from novaql.server.tenants.context import ServerContext
from novaql.server.tenants.scrapes import ScrapeReport
from novaql.server.tenants.store import Store
from novaql.server.tuning import USUAL, Tuning

if TYPE_CHECKING:
    from novaql.server import control_parts
    from novaql.server.scraping import tenants as scraping
else:  # loaded after the server listens, and if there are targets
    control_parts = lazy_module("novaql.server.control_parts")
    scraping = lazy_module("novaql.server.scraping.tenants")

_DATA_INDEX = RouteIndex(DATA_ROUTES)


class Job(Protocol):
    """Background work, such as a scraper, that runs as long as the server."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@runtime_checkable
class ScrapingJob(Protocol):
    """A job that scrapes targets for a tenant; `tenant_id` None: for the first one."""

    tenant_id: str | None

    def stop(self) -> None: ...

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
) -> Starlette:
    """Create the application, and open the state database and the first tenant's store. The
    control plane is built when the application starts (`control_plane.py`).

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
    scrape_config = None if owned_elsewhere else settings.scrape_config
    scrape_files = scraping.scrape_files_of(scrape_config) if scrape_config else {}
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
    if scrape_files:
        every += scraping.managers_of(scrape_files, context)
    context.telemetry.queries_running.set_function(lambda: context.pools.queries.running)
    control = ControlPlane(
        lambda: control_parts.build(app, context, owned_elsewhere=owned_elsewhere)
    )
    app = Starlette(
        lifespan=_lifespan(context, every, control),
        exception_handlers={HTTPException: answer_failure},
    )
    app.router.redirect_slashes = False
    app.state.context, app.state.control = context, control
    app.state.stop_scraping = partial(_stop, [one for one in every if isinstance(one, ScrapingJob)])
    app.state.routes = LateIndex(_DATA_INDEX, control.routes)
    app.add_middleware(Indexed, index=app.state.routes)
    app.add_middleware(Compression, smallest=settings.compression_min_bytes)
    app.add_middleware(Edge, telemetry=context.telemetry, site=Site.of(settings))
    return app


def _stop(jobs: Iterable[ScrapingJob]) -> None:
    for job in jobs:
        job.stop()


def _lifespan(context: ServerContext, jobs: Sequence[Job], control: ControlPlane) -> Any:
    async def start_control() -> None:
        for job in (await control.built()).jobs:
            job.start()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for job in jobs:
            job.start()
        starting = asyncio.create_task(start_control())
        try:
            yield
        finally:
            context.caches.measurements.close()
            await asyncio.wait([starting])
            more = () if starting.exception() else (await control.built()).jobs
            await asyncio.to_thread(_close, context, (*jobs, *more))

    return lifespan


def _close(context: ServerContext, jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.stop()
    close(context)
