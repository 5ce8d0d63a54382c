"""A target is scraped at its interval also when the clock is set back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from novaql.server.scraping import loop as loops
from novaql.server.scraping.loop import ScrapeLoop

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_the_clock_jumps_between_two_scrapes(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    monkeypatch.setattr(loops, "SampleMaker", lambda _: None)
    monkeypatch.setattr(loops, "accept_header", lambda _: "")
    target = SimpleNamespace(
        interval_s=0.05, offset_s=0.01, url="x", job=SimpleNamespace(protocols=())
    )
    shift = 0.0
    scraped: list[int] = []

    class Counting(ScrapeLoop):
        async def scrape_once(self, at_ms: int) -> None:
            nonlocal shift
            scraped.append(at_ms)
            if len(scraped) == 3:
                shift = jump_s

    nothing = cast(Any, None)
    one = Counting(cast(Any, target), nothing, nothing, nothing, clock=lambda: time.time() + shift)

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                task = asyncio.ensure_future(one.run())
                while len(scraped) < 8:
                    await asyncio.sleep(0.01)
                task.cancel()

    asyncio.run(run())
    assert len(scraped) >= 8
    assert abs((scraped[-1] - scraped[0]) / 1000 - jump_s) < 60
