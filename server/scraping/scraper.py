"""Scrape the targets of a configuration file, and apply its changes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from novaql import ArgumentError
from novaql.inputs import USUAL_LIMITS, LabelLimits
from novaql.server.scraping.config import scrape_jobs_of
from novaql.server.scraping.discovery import file_state
from novaql.server.scraping.endings import Endings
from novaql.server.scraping.model import ScrapeJob
from novaql.server.scraping.pool import ScrapePool, TargetLimit
from novaql.server.tenants.scrapes import PoolView, ScrapeReport
from novaql.server.tenants.store import Store

log = logging.getLogger("novaql.scraping")

_THREADS = 2


class ScrapeManager:
    """Scrapes the targets of a configuration file into a store, between `start` and `stop`.

    A job of the server (`server.app.Job`). Its own thread runs an event loop, so that load of the
    server does not delay scrapes; a pool of threads parses and stores answers.

    config, jobs  the file, and its jobs from `scrape_jobs_of`. The manager checks the file for
                  changes, and applies a valid change
    tenant_id     tenant of the store; None: the first one
    most_targets  limit for concurrent targets; 0: no limit
    check_every_s  interval between two checks of the file
    label_limits  limits of labels that relabelling creates
    """

    def __init__(
        self,
        config: Path,
        jobs: Sequence[ScrapeJob],
        store: Store,
        *,
        tenant_id: str | None = None,
        most_targets: int = 0,
        check_every_s: float = 5.0,
        label_limits: LabelLimits = USUAL_LIMITS,
    ) -> None:
        self.tenant_id = tenant_id
        self._check_every_s = check_every_s
        self._label_limits = label_limits
        self._config = config
        self._seen = file_state(config)
        self._store = store
        self._jobs = list(jobs)
        self._limit = TargetLimit(most_targets)
        self._endings = Endings()
        self._pools: list[ScrapePool] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="scrape")

    def start(self) -> None:
        """Start the thread; return after the loops of the first targets have started."""
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(ready)), name="scrape manager", daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Cancel all scrapes, including running ones, and end the threads. May be called again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            assert self._loop is not None
            assert self._stopping is not None
            self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()
        self._threads.shutdown()

    def reload(self) -> None:
        """Read the configuration file again. Unchanged jobs continue without interruption.

        Raises the errors of `scrape_jobs_of`, without a change.
        """
        jobs = scrape_jobs_of(self._config)
        loop = self._loop
        assert loop is not None, "a manager is started before it is reloaded"
        asyncio.run_coroutine_threadsafe(self._replace(jobs), loop).result()

    def scrape_report(self) -> ScrapeReport:
        """Current targets, dropped targets, and the jobs."""
        pools = list(self._pools)
        return ScrapeReport(
            tuple(view for pool in pools for view in pool.views()),
            tuple(target for pool in pools for target in pool.dropped),
            tuple(
                PoolView(one.job.job_name, one.job.text, one.job.relabel_configs, one.dropped_count)
                for one in pools
            ),
        )

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._replace(self._jobs)
        finally:
            ready.set()
        watch = asyncio.create_task(self._watch_config())
        await self._stopping.wait()
        watch.cancel()
        await asyncio.gather(*(pool.stop() for pool in self._pools))
        await self._endings.stop()

    async def _watch_config(self) -> None:
        """Check the file for changes at each interval. Never returns."""
        while True:
            await asyncio.sleep(self._check_every_s)
            for pool in self._pools:
                pool.begin_refused()
            now = await asyncio.to_thread(file_state, self._config)
            if now in (None, self._seen):
                continue
            self._seen = now
            try:
                jobs = await asyncio.to_thread(scrape_jobs_of, self._config)
            except ArgumentError as problem:
                log.warning("%s; the former targets are still scraped", problem)
                continue
            log.info("scrape jobs are read again from %s", self._config)
            await self._replace(jobs)

    async def _replace(self, jobs: Sequence[ScrapeJob]) -> None:
        jobs = [job.model_copy(update={"label_limits": self._label_limits}) for job in jobs]
        before = self._pools
        pools = [
            next((pool for pool in before if pool.job == job), None)
            or ScrapePool(job, self._store, self._threads, self._limit, self._endings)
            for job in jobs
        ]
        self._jobs, self._pools = jobs, pools
        await asyncio.gather(*(pool.end() for pool in before if pool not in pools))
        for pool in pools:
            if pool not in before:
                pool.start()
