"""Background work of the demo: append new samples of the fleet, and scrape this server."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from novaql.server.demo.fleet import METADATA, Fleet
from novaql.server.demo.machine import NODE_METRICS_PATH
from novaql.server.jobs.loop import Loop
from novaql.server.scraping.config import scrape_jobs_of
from novaql.server.scraping.scraper import ScrapeManager
from novaql.server.tenants.scrapes import ScrapeReport
from novaql.server.tenants.store import Store, numeric_stats
from novaql.tsdb import Batch

SCRAPE_S = 5.0
LOAD_STEPS = 240
"""Steps of history in one append: an hour."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def load_history(fleet: Fleet, store: Store, progress: Callable[[int, int], None]) -> int:
    """Append the history of the fleet; return the number of samples.

    If the store contains samples of an earlier run of the demo, only newer samples are appended.
    `progress` receives the number of finished steps and of all steps.
    """
    known = store.label_values("service", [], fleet.next_ms, now_ms())
    newest = numeric_stats(store)["last_ms"] if known else None
    store.set_metadata(METADATA)
    done, samples = 0, 0
    while done < fleet.history_steps:
        steps = min(LOAD_STEPS, fleet.history_steps - done)
        batch = fleet.take(steps)
        if newest is not None:
            later = batch.timestamps > newest
            index, times, values = batch.series_index, batch.timestamps, batch.values
            batch = Batch(batch.series, index[later], times[later], values[later])
        if len(batch):
            store.append(batch)
        done += steps
        samples += len(batch)
        progress(done, fleet.history_steps)
    return samples


class FleetJob(Loop):
    """Appends new samples of the fleet every few seconds, between `start` and `stop`."""

    def __init__(self, fleet: Fleet, store: Store, *, every_s: float = SCRAPE_S) -> None:
        super().__init__("demo fleet", self._append, every_s=every_s)
        self._fleet = fleet
        self._store = store

    def _append(self) -> None:
        batch = self._fleet.until(now_ms())
        if batch is not None:
            self._store.append(batch)


class SelfScrape:
    """Scrapes the metrics of the server and of this machine, after the server has an address.

    config  file for the configuration of these scrapes
    """

    def __init__(self, store: Store, config: Path, *, every_s: float = SCRAPE_S) -> None:
        self.address: str | None = None
        self.tenant_id: str | None = None  # the first tenant
        self._store = store
        self._config = config
        self._every_s = every_s
        self._manager: ScrapeManager | None = None

    def scrape_report(self) -> ScrapeReport:
        """The two targets."""
        return ScrapeReport() if self._manager is None else self._manager.scrape_report()

    def start(self) -> None:
        assert self.address is not None, "the server reports its address before its jobs start"
        host = urlsplit(self.address).netloc
        jobs = "".join(
            f"- job_name: {name}\n  metrics_path: {path}\n"
            f"  static_configs: [{{targets: ['{host}']}}]\n"
            for name, path in (("node", NODE_METRICS_PATH), ("novaql", "/metrics"))
        )
        every = f"global: {{scrape_interval: {round(self._every_s * 1000)}ms}}\n"
        self._config.write_text(f"{every}scrape_configs:\n{jobs}")
        self._manager = ScrapeManager(self._config, scrape_jobs_of(self._config), self._store)
        self._manager.start()

    def stop(self) -> None:
        if self._manager is not None:
            self._manager.stop()
