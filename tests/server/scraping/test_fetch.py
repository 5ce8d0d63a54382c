"""Compressed answers of targets."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from novaql.server.scraping.fetch import Fetched, Fetcher, FetchProblem
from novaql.server.scraping.model import Client
from tests.support.peers.exposer import Exposer, exposing


async def fetched(target: Exposer) -> Fetched:
    fetcher = Fetcher(Client())
    try:
        return await fetcher.get(target.url, 20.0, {})
    finally:
        await fetcher.close()


def test_a_compressed_answer_is_read() -> None:
    with exposing() as target:
        target.packed = True
        assert asyncio.run(fetched(target)).body == b"up_time 1\n"


@pytest.mark.parametrize("after", [b"x", gzip.compress(b"down_time 1\n", mtime=0)])
def test_nothing_after_a_compressed_answer_is_dropped_in_silence(after: bytes) -> None:
    with exposing() as target:
        target.packed, target.after = True, after
        with pytest.raises(FetchProblem, match="after its compressed end"):
            asyncio.run(fetched(target))
