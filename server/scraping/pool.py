"""Run one scrape job: its discoveries, and a loop for each target."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial

from novaql.server.scraping.discovery import query_server, watch_files
from novaql.server.scraping.endings import Endings
from novaql.server.scraping.fetch import Fetcher
from novaql.server.scraping.loop import ScrapeLoop
from novaql.server.scraping.model import (
    ADDRESS,
    NoTarget,
    ScrapeJob,
    ScrapeTarget,
    TargetGroup,
    discovered_labels,
    target_of,
)
from novaql.server.tenants.scrapes import DroppedTarget, TargetView
from novaql.server.tenants.store import Store

log = logging.getLogger("novaql.scraping")

SHOWN_REFUSED = 1000
"""Targets of a job beyond the limit that reports list."""


class TargetLimit:
    """Counts the targets of all jobs of a tenant, up to a limit; 0: no limit. For use on the
    manager's event loop only."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._count = 0

    def acquire(self) -> bool:
        """Count a target; False: the limit is reached."""
        if self.is_reached:
            return False
        self._count += 1
        return True

    def release(self, count: int = 1) -> None:
        self._count -= count

    @property
    def is_reached(self) -> bool:
        return 0 < self.most <= self._count


class ScrapePool:
    """The targets of a running job.

    limit    limit for the targets of all jobs of the tenant
    endings  the ended targets of all jobs of the tenant
    dropped  targets that relabelling dropped, and targets beyond the limit, at most
             `SHOWN_REFUSED` of these; `dropped_count`: the number of all
    """

    def __init__(
        self,
        job: ScrapeJob,
        store: Store,
        threads: Executor,
        limit: TargetLimit,
        endings: Endings,
    ) -> None:
        self.job = job
        self.dropped: list[DroppedTarget] = []
        self.dropped_count = 0
        self._limit = limit
        self._endings = endings
        self._store = store
        self._threads = threads
        self._fetcher = Fetcher(job, compression=job.enable_compression)
        self._groups: dict[object, Sequence[TargetGroup]] = {}
        self._targets: dict[str, ScrapeTarget] = {}
        self._by_relabelling: list[DroppedTarget] = []
        self._loops: dict[str, tuple[ScrapeLoop, asyncio.Task[None]]] = {}
        self._discoveries: list[asyncio.Task[None]] = []

    def start(self) -> None:
        job = self.job
        self._update("static", job.static_configs)
        for number, files in enumerate(job.file_sd_configs):
            self._discover(watch_files(files, partial(self._update, ("files", number))))
        for number, server in enumerate(job.http_sd_configs):
            self._discover(query_server(server, partial(self._update, ("http", number))))

    def _discover(self, work: Coroutine[object, object, None]) -> None:
        self._discoveries.append(asyncio.create_task(work))

    def _update(self, discovery: object, groups: Sequence[TargetGroup]) -> None:
        """Replace the groups of one discovery: start loops for new targets, end those of removed
        targets."""
        self._groups[discovery] = groups
        self._targets, self._by_relabelling = self._relabelled()
        for key in self._loops.keys() - self._targets.keys():
            self._end(key)
        self._begin_missing()

    def begin_refused(self) -> None:
        """Start loops for targets that were beyond the tenant's limit, when other targets have
        ended."""
        if len(self._loops) < len(self._targets) and not self._limit.is_reached:
            self._begin_missing()

    def _begin_missing(self) -> None:
        refused = self._begin_new(self._targets)
        self.dropped = self._by_relabelling + refused[:SHOWN_REFUSED]
        self.dropped_count = len(self._by_relabelling) + len(refused)
        self._apply_target_limit(len(self._targets))

    def _relabelled(self) -> tuple[dict[str, ScrapeTarget], list[DroppedTarget]]:
        """The targets of all groups by key, and those that relabelling drops."""
        targets: dict[str, ScrapeTarget] = {}
        dropped: list[DroppedTarget] = []
        found = (
            discovered_labels(self.job, group, address)
            for groups in self._groups.values()
            for group in groups
            for address in group.targets
        )
        for discovered in found:
            try:
                target = target_of(self.job, discovered)
            except NoTarget as problem:
                address = discovered[ADDRESS]
                log.warning("job %s: target %s: %s", self.job.job_name, address, problem)
                continue
            if target is None:
                dropped.append(DroppedTarget(self.job.job_name, discovered))
            else:
                targets.setdefault(target.key, target)
        return targets, dropped

    def _begin_new(self, targets: Mapping[str, ScrapeTarget]) -> list[DroppedTarget]:
        """Start a loop for each target that has none; return those beyond the tenant's limit."""
        refused = []
        for key, target in targets.items():
            if key in self._loops:
                continue
            if self._limit.acquire():
                self._begin(key, target)
            else:
                refused.append(DroppedTarget(self.job.job_name, target.discovered))
        if refused:
            most = self._limit.most
            log.warning(
                "job %s: %d targets are not scraped: the tenant may have %d "
                "(max_scrape_targets = %d)",
                self.job.job_name,
                len(refused),
                most,
                most,
            )
        return refused

    def _apply_target_limit(self, targets: int) -> None:
        """Fail all scrapes of a job with more targets than its `target_limit`, as Prometheus
        does."""
        limit = self.job.target_limit
        problem = None
        if 0 < limit < targets:
            problem = f"target_limit exceeded (number of targets: {targets}, limit: {limit})"
        for loop, _ in self._loops.values():
            loop.problem = problem

    def _begin(self, key: str, target: ScrapeTarget) -> None:
        former = self._endings.take((self.job.job_name, key))
        loop = ScrapeLoop(target, self._store, self._fetcher, self._threads, former=former)
        self._loops[key] = loop, asyncio.create_task(loop.run())

    def _end(self, key: str) -> None:
        loop, task = self._loops.pop(key)
        self._limit.release()
        task.cancel()
        self._endings.add((self.job.job_name, key), loop)

    def views(self) -> list[TargetView]:
        return [loop.view() for loop, _ in list(self._loops.values())]

    async def end(self) -> None:
        """End a job that is removed or replaced, and the series of its targets; those of a target
        of the new job continue."""
        loops = [(key, loop) for key, (loop, _) in self._loops.items()]
        await self.stop()
        for key, loop in loops:
            self._endings.add((self.job.job_name, key), loop)

    async def stop(self) -> None:
        """End all tasks, without staleness markers: the server may start again."""
        tasks = [*self._discoveries, *(task for _, task in self._loops.values())]
        for task in tasks:
            task.cancel()
        self._limit.release(len(self._loops))
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._fetcher.close()
