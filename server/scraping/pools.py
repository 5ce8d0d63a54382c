"""Run scrape jobs: discovery, relabelling of targets, and a loop for each target."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from novaql import ArgumentError
from novaql.inputs import USUAL_LIMITS, LabelLimits
from novaql.rules import FileProblems
from novaql.server.scraping.config import read_scrape_jobs
from novaql.server.scraping.discovery import file_state, query_server, watch_files
from novaql.server.scraping.fetch import Fetcher
from novaql.server.scraping.loop import ScrapeLoop
from novaql.server.scraping.model import (
    NoTarget,
    ScrapeJob,
    ScrapeTarget,
    TargetGroup,
    discovered_labels,
    target_of,
)
from novaql.server.tenants.scrapes import DroppedTarget, PoolView, ScrapeReport, TargetView
from novaql.server.tenants.store import Store

log = logging.getLogger("novaql.scraping")

_THREADS = 2
SHOWN_REFUSED = 1000
"""Targets of a job beyond the limit that reports list."""


def scrape_jobs_of(config: Path | None) -> list[ScrapeJob]:
    """Read the jobs of a configuration file; None: no jobs. Raises `ArgumentError`."""
    if config is None:
        return []
    try:
        return read_scrape_jobs(config)
    except FileProblems as problem:
        raise ArgumentError("scrape-config", str(problem)) from problem
    except OSError as problem:
        raise ArgumentError("scrape-config", f"{config}: {problem.strerror}") from problem


class TargetLimit:
    """Number of targets of all jobs of a tenant, and its limit; 0: no limit. For use on the
    manager's event loop only."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0

    def take(self) -> bool:
        """Count a target; False: the limit is reached."""
        if 0 < self.most <= self._taken:
            return False
        self._taken += 1
        return True

    def release(self, count: int = 1) -> None:
        self._taken -= count


class _Pool:
    """A running job.

    limit    limit for the targets of all jobs of the tenant
    dropped  targets that relabelling dropped, and targets beyond the limit
    """

    def __init__(
        self, job: ScrapeJob, store: Store, threads: ThreadPoolExecutor, limit: TargetLimit
    ) -> None:
        self.job = job
        self.dropped: list[DroppedTarget] = []
        self._limit = limit
        self._store = store
        self._threads = threads
        self._fetcher = Fetcher(job, compression=job.enable_compression)
        self._groups: dict[object, Sequence[TargetGroup]] = {}
        self._loops: dict[str, tuple[ScrapeLoop, asyncio.Task[None]]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._watching: list[asyncio.Task[None]] = []

    def start(self) -> None:
        job = self.job
        self._take("static", job.static_configs)
        for number, files in enumerate(job.file_sd_configs):
            self._watch(watch_files(files, partial(self._take, ("files", number))))
        for number, server in enumerate(job.http_sd_configs):
            self._watch(query_server(server, partial(self._take, ("http", number))))

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        self._watching.append(asyncio.create_task(work))

    def _take(self, key: object, groups: Sequence[TargetGroup]) -> None:
        """Receive the groups of one discovery: start loops for new targets, end those of removed
        targets."""
        self._groups[key] = groups
        wanted: dict[str, ScrapeTarget] = {}
        self.dropped = []
        for group in (one for some in self._groups.values() for one in some):
            for address in group.targets:
                discovered = discovered_labels(self.job, group, address)
                try:
                    target = target_of(self.job, discovered)
                except NoTarget as problem:
                    log.warning("job %s: target %s: %s", self.job.job_name, address, problem)
                    continue
                if target is None:
                    self.dropped.append(DroppedTarget(self.job.job_name, discovered))
                else:
                    wanted.setdefault(target.key, target)
        for gone in self._loops.keys() - wanted.keys():
            self._end(gone)
        refused = []
        for name, target in wanted.items():
            if name in self._loops:
                continue
            if self._limit.take():
                self._begin(name, target)
            else:
                refused.append(DroppedTarget(self.job.job_name, target.discovered))
        self.dropped += refused[:SHOWN_REFUSED]
        if refused:
            log.warning(
                "job %s: %d targets are not scraped: the tenant may have %d "
                "(max_scrape_targets = %d)",
                *(self.job.job_name, len(refused), self._limit.most, self._limit.most),
            )
        limit = self.job.target_limit
        over = 0 < limit < len(wanted)
        for loop, _ in self._loops.values():
            loop.problem = (
                f"target_limit exceeded (number of targets: {len(wanted)}, limit: {limit})"
                if over
                else None
            )

    def _begin(self, key: str, target: ScrapeTarget) -> None:
        if (ending := self._ending.pop(key, None)) is not None:
            ending.cancel()
        loop = ScrapeLoop(target, self._store, self._fetcher, self._threads)
        self._loops[key] = loop, asyncio.create_task(loop.run())

    def _end(self, key: str) -> None:
        loop, task = self._loops.pop(key)
        self._limit.release()
        task.cancel()
        ending = asyncio.create_task(loop.end())
        self._ending[key] = ending
        ending.add_done_callback(
            lambda done: self._ending.pop(key, None) if self._ending.get(key) is done else None
        )

    def views(self) -> list[TargetView]:
        return [loop.view() for loop, _ in list(self._loops.values())]

    async def stop(self) -> None:
        """End all tasks, without staleness markers: the server may start again."""
        tasks = [
            *self._watching,
            *(task for _, task in self._loops.values()),
            *self._ending.values(),
        ]
        for task in tasks:
            task.cancel()
        self._limit.release(len(self._loops))
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._fetcher.close()


class ScrapeManager:
    """Scrapes the targets of a configuration file into a store, between `start` and `stop`.

    A job of the server (`server.app.Job`). Its own thread runs an event loop, so that load of the
    server does not delay scrapes; a pool of threads parses and stores answers.

    config, jobs  the file, and its jobs from `scrape_jobs_of`. The manager checks the file for
                  changes, and applies a valid change
    tenant_id     tenant of the store; None: the first one
    most_targets  limit for concurrent targets; 0: no limit
    look_every_s  interval between two checks of the file
    made          limits of labels that relabelling creates
    """

    def __init__(
        self,
        config: Path,
        jobs: Sequence[ScrapeJob],
        store: Store,
        *,
        tenant_id: str | None = None,
        most_targets: int = 0,
        look_every_s: float = 5.0,
        made: LabelLimits = USUAL_LIMITS,
    ) -> None:
        self.tenant_id = tenant_id
        self._look_every_s = look_every_s
        self._made = made
        self._config = config
        self._seen = file_state(config)
        self._store = store
        self._jobs = list(jobs)
        self._limit = TargetLimit(most_targets)
        self._pools: list[_Pool] = []
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
        """Cancel all scrapes, including running ones, and end the threads."""
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join()
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
            tuple(PoolView(job.job_name, job.text, job.relabel_configs) for job in self._jobs),
        )

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._replace(self._jobs)
        finally:
            ready.set()
        looking = asyncio.create_task(self._look())
        await self._stopping.wait()
        looking.cancel()
        await asyncio.gather(*(pool.stop() for pool in self._pools))

    async def _look(self) -> None:
        """Check the file for changes at each interval. Never returns."""
        while True:
            await asyncio.sleep(self._look_every_s)
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
        jobs = [job.model_copy(update={"made": self._made}) for job in jobs]
        before = self._pools
        pools = [
            next((pool for pool in before if pool.job == job), None)
            or _Pool(job, self._store, self._threads, self._limit)
            for job in jobs
        ]
        self._jobs, self._pools = jobs, pools
        await asyncio.gather(*(pool.stop() for pool in before if pool not in pools))
        for pool in pools:
            if pool not in before:
                pool.start()
