"""What the server scrapes, for the endpoints that tell of targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from novaql.inputs.scrape import ScrapeResult
from novaql.inputs.scraper import Target


class Scrape(Protocol):
    """One target that is scraped again and again; `novaql.inputs.scraper.Scraper` is one.

    last     what the latest scrape brought, None before the first
    last_ms  when that was
    """

    @property
    def target(self) -> Target: ...

    @property
    def last(self) -> ScrapeResult | None: ...

    @property
    def last_ms(self) -> int | None: ...


Scrapes = Callable[[], Sequence[Scrape]]


def no_scrapes() -> Sequence[Scrape]:
    return ()
