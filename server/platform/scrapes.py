"""What the server scrapes, for the endpoints that tell of targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from novaql.inputs.relabelling import RelabelRule
from novaql.inputs.scraper import Scraper
from novaql.language.durations import format_duration
from novaql.tsdb.selection import Metadata


@dataclass(frozen=True, slots=True)
class TargetView:
    """One target that is scraped again and again.

    pool        name of its job
    discovered  its labels before relabelling
    labels      those that its series get
    health      up, down, or unknown before the first scrape
    error       why the last scrape failed, or ""
    last_ms     when that was; None before the first one
    """

    pool: str
    discovered: Mapping[str, str]
    labels: Mapping[str, str]
    url: str
    interval_s: float
    timeout_s: float
    health: str = "unknown"
    error: str = ""
    last_ms: int | None = None
    duration_s: float = 0.0
    metadata: Mapping[str, Metadata] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DroppedTarget:
    """A target that relabelling dropped, with the labels it had before."""

    pool: str
    discovered: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PoolView:
    """A scrape job: its configuration as YAML without secrets, and its rules for targets."""

    name: str
    config: str
    relabel: tuple[RelabelRule, ...] = ()


@dataclass(frozen=True, slots=True)
class ScrapeReport:
    """What is scraped at one moment."""

    targets: tuple[TargetView, ...] = ()
    dropped: tuple[DroppedTarget, ...] = ()
    pools: tuple[PoolView, ...] = ()

    @classmethod
    def joined(cls, reports: Iterable[ScrapeReport]) -> ScrapeReport:
        """All in one, targets and pools by name."""
        parts = list(reports)
        return cls(
            tuple(
                sorted((t for part in parts for t in part.targets), key=lambda t: (t.pool, t.url))
            ),
            tuple(target for part in parts for target in part.dropped),
            tuple(sorted((p for part in parts for p in part.pools), key=lambda p: p.name)),
        )


Scrapes = Callable[[str], ScrapeReport]
"""Id of a tenant → what is scraped for it."""


def no_scrapes(tenant_id: str) -> ScrapeReport:  # noqa: ARG001 - as `Scrapes`
    return ScrapeReport()


def report_of(scrapers: Iterable[Scraper]) -> ScrapeReport:
    """Single scrapers, each a job of its own."""
    some = list(scrapers)
    return ScrapeReport(
        tuple(_view(scraper) for scraper in some),
        pools=tuple(PoolView(s.target.job, _config(s)) for s in some),
    )


def _view(scraper: Scraper) -> TargetView:
    target, last = scraper.target, scraper.last
    address = urlsplit(target.url)
    timeout = target.timeout or min(10.0, target.interval)
    return TargetView(
        pool=target.job,
        discovered={
            "__address__": address.netloc,
            "__metrics_path__": address.path or "/",
            "__scheme__": address.scheme,
            "__scrape_interval__": format_duration(round(target.interval * 1000)),
            "__scrape_timeout__": format_duration(round(timeout * 1000)),
            **target.labels,
            "job": target.job,
        },
        labels=dict(sorted(target.target_labels.items())),
        url=target.url,
        interval_s=target.interval,
        timeout_s=timeout,
        health="unknown" if last is None else "up" if last.up else "down",
        error=(last.error or "") if last is not None else "",
        last_ms=scraper.last_ms,
        duration_s=last.duration if last is not None else 0.0,
        metadata=last.metadata if last is not None else {},
    )


def _config(scraper: Scraper) -> str:
    """The job as an item of `scrape_configs` would have it."""
    target = scraper.target
    address = urlsplit(target.url)
    own = {k: v for k, v in sorted(target.target_labels.items()) if k != "job"}
    timeout = target.timeout or min(10.0, target.interval)
    lines = [
        f"job_name: {target.job}",
        f"scrape_interval: {format_duration(round(target.interval * 1000))}",
        f"scrape_timeout: {format_duration(round(timeout * 1000))}",
        f"metrics_path: {address.path or '/'}",
        f"scheme: {address.scheme}",
        "static_configs:",
        "- targets:",
        f"  - {address.netloc}",
        "  labels:",
        *(f"    {name}: {_quoted(value)}" for name, value in own.items()),
    ]
    return "".join(f"{line}\n" for line in lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
