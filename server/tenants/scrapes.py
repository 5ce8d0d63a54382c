"""The scrape targets of the server, for the endpoints that list them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field

from novaql.fast_dataclass import dataclass
from novaql.inputs import RelabelRule
from novaql.tsdb import Metadata


@dataclass(frozen=True, slots=True)
class TargetView:
    """One target that is scraped repeatedly.

    pool        name of its job
    discovered  its labels before relabelling
    labels      the labels of its series
    health      up, down, or unknown before the first scrape
    error       why the last scrape failed, or ""
    last_ms     the time of the last scrape; None before the first one
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
    """A target that relabelling dropped, with its labels before relabelling."""

    pool: str
    discovered: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PoolView:
    """A scrape job: its configuration as YAML without secrets, and its rules for targets.

    dropped  number of its dropped targets, also of those that a report does not list
    """

    name: str
    config: str
    relabel: tuple[RelabelRule, ...] = ()
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class ScrapeReport:
    """All scrape targets at one time."""

    targets: tuple[TargetView, ...] = ()
    dropped: tuple[DroppedTarget, ...] = ()
    pools: tuple[PoolView, ...] = ()

    @classmethod
    def joined(cls, reports: Iterable[ScrapeReport]) -> ScrapeReport:
        """Return one report of all, with targets and pools by name."""
        parts = list(reports)
        return cls(
            tuple(
                sorted((t for part in parts for t in part.targets), key=lambda t: (t.pool, t.url))
            ),
            tuple(target for part in parts for target in part.dropped),
            tuple(sorted((p for part in parts for p in part.pools), key=lambda p: p.name)),
        )


Scrapes = Callable[[str], ScrapeReport]
"""Returns the report of a tenant, by id."""


def no_scrapes(tenant_id: str) -> ScrapeReport:  # noqa: ARG001 - as `Scrapes`
    return ScrapeReport()
