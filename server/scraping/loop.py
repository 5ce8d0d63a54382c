"""Scrape one target repeatedly, at its own offset in the interval."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor

from novaql import InputError
from novaql.server.scraping.fetch import BodyTooLarge, Fetched, Fetcher, FetchProblem
from novaql.server.scraping.model import ScrapeTarget
from novaql.server.scraping.protocols import accept_header, content_type_of
from novaql.server.scraping.samples import RefusedScrape, SampleMaker
from novaql.server.tenants.scrapes import TargetView
from novaql.server.tenants.store import Store
from novaql.text import excerpt
from novaql.tsdb import Batch, Metadata, StoreError

log = logging.getLogger("novaql.scraping")

_TOLERANCE_S = 0.002
"""A scrape that begins at most this long before or after its scheduled time has that time: even
timestamps compress better."""

_MOST_METADATA = 4 << 20
"""Characters of metadata in a scrape; more is not stored. The log has each change of metadata."""


class ScrapeLoop:
    """Scrapes one target until its task is cancelled. Parsing and storing run in threads.

    problem  why each scrape fails without a request: the job has too many targets; set by the pool
    former   the last loop of the same target, whose series continue
    """

    def __init__(
        self,
        target: ScrapeTarget,
        store: Store,
        fetcher: Fetcher,
        threads: Executor,
        *,
        former: ScrapeLoop | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.target = target
        self.problem: str | None = None
        self._store = store
        self._fetcher = fetcher
        self._threads = threads
        self._clock = clock
        self._maker = SampleMaker(target)
        if former is not None:
            self._maker.continue_from(former._maker)
        self._cached_metadata: dict[str, Metadata] = {}
        self._accept = accept_header(target.job.protocols)
        self._last_ms: int | None = None
        self._error = ""
        self._duration = 0.0
        self._health = "unknown"

    def view(self) -> TargetView:
        """The current state of the target."""
        target = self.target
        return TargetView(
            pool=target.job.job_name,
            discovered=dict(target.discovered),
            labels=dict(sorted(target.labels.items())),
            url=target.url,
            interval_s=target.interval_s,
            timeout_s=target.timeout_s,
            health=self._health,
            error=self._error,
            last_ms=self._last_ms,
            duration_s=self._duration,
            metadata=self._maker.metadata,
        )

    async def run(self) -> None:
        """Scrape at each scheduled time. Never returns."""
        interval = self.target.interval_s
        due = self._next_due(self._clock())
        while True:
            await asyncio.sleep(max(0.0, due - self._clock()))
            now = self._clock()
            tolerance = min(_TOLERANCE_S, interval / 100)
            at = due if abs(now - due) <= tolerance else now
            at_ms = round(at * 1000)
            try:
                await self.scrape_once(at_ms)
            except (OSError, StoreError) as problem:  # for example, the disk is full
                self._finished(f"the samples were not stored: {problem}", at_ms, 0.0)
            except Exception:  # the loop must not end
                log.exception("scrape of %s failed", self.target.url)
            due += interval
            now = self._clock()
            if not now <= due <= now + 2 * interval:  # missed scrapes, or the clock was set back
                due = self._next_due(now)

    def _next_due(self, now: float) -> float:
        interval, offset = self.target.interval_s, self.target.offset_s
        return now + (offset - now) % interval

    async def scrape_once(self, at_ms: int) -> None:
        """Scrape the target, and store the samples or the failure."""
        began = time.perf_counter()
        size = 0
        try:
            found = await self._fetched()
            size = len(found.body)
            kind = content_type_of(found.content_type, self.target.job.fallback_scrape_protocol)
            duration = time.perf_counter() - began
            await self._in_thread(self._store_success, found.body, kind, at_ms, duration)
            error = ""
        except (FetchProblem, InputError, RefusedScrape) as problem:
            error = str(problem)
            duration = time.perf_counter() - began
            counts = (0, 0)
            if isinstance(problem, RefusedScrape):
                counts = (problem.exposed, problem.retained)
            if isinstance(problem, BodyTooLarge):
                size = -1  # as Prometheus reports it
            await self._in_thread(self._store_failure, at_ms, duration, size, counts)
        self._finished(error, at_ms, duration)

    def _finished(self, error: str, at_ms: int, duration: float) -> None:
        error = excerpt(error, 1000)
        if error and self._health != "down":
            log.warning("scrape of %s failed: %s", self.target.url, error)
        self._health = "down" if error else "up"
        self._error, self._last_ms, self._duration = error, at_ms, duration

    async def _fetched(self) -> Fetched:
        if self.problem is not None:
            raise FetchProblem(self.problem)
        timeout = self.target.timeout_s
        headers = {
            "Accept": self._accept,
            "X-Prometheus-Scrape-Timeout-Seconds": f"{timeout:g}",
        }
        most = self.target.job.body_size_limit
        return await self._fetcher.get(self.target.url, timeout, headers, most_bytes=most)

    async def end(self) -> None:
        """Store staleness markers for all series after 2.1 intervals.

        If the target begins again within that time, the task is cancelled, and the series continue
        without a marker.
        """
        await asyncio.sleep(self.target.interval_s)
        at_ms = round(self._clock() * 1000)
        await asyncio.sleep(1.1 * self.target.interval_s)
        await self._in_thread(lambda: self._append(self._maker.end(at_ms)))

    async def _in_thread(self, work: Callable[..., object], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _store_success(self, body: bytes, kind: str, at_ms: int, duration: float) -> None:
        self._append(self._maker.success(body, kind, at_ms, duration))
        metadata = self._maker.metadata
        if metadata and metadata != self._cached_metadata:
            if sum(entry.characters for entry in metadata.values()) <= _MOST_METADATA:
                self._store.set_metadata(metadata)
            self._cached_metadata = metadata

    def _store_failure(
        self, at_ms: int, duration: float, size: int, counts: tuple[int, int]
    ) -> None:
        self._append(self._maker.failure(at_ms, duration, size, counts))

    def _append(self, batch: Batch) -> None:
        if len(batch):
            self._store.append(batch)
        self._maker.stored()
