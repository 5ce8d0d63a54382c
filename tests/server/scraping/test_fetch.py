"""Compressed answers of targets, and redirects."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from novaql.server.scraping.fetch import Fetched, Fetcher, FetchProblem
from novaql.server.scraping.model import BasicAuth, Client, HttpHeader
from tests.support.peers.exposer import Exposer, exposing


async def fetched(target: Exposer, client: Client | None = None) -> Fetched:
    fetcher = Fetcher(client or Client())
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


def test_a_redirect_to_another_origin_gets_no_secrets() -> None:
    client = Client(
        basic_auth=BasicAuth(username="u", password="p"),
        http_headers={
            "X-Key": HttpHeader(secrets=("secret",)),
            "X-Scope": HttpHeader(values=("a",)),
        },
    )
    with exposing() as target, exposing() as other:
        target.status, target.location = 307, other.url
        assert asyncio.run(fetched(target, client)).body == b"up_time 1\n"
        (first,), (second,) = target.asked, other.asked
        assert first["X-Key"] == "secret"
        assert "Authorization" in first
        assert second["X-Scope"] == "a"
        assert not {"X-Key", "Authorization"} & set(second)


def test_a_redirect_within_the_origin_has_the_secrets() -> None:
    client = Client(http_headers={"X-Key": HttpHeader(secrets=("secret",))})
    with exposing() as target:
        target.status, target.location = 307, "/elsewhere"

        def body() -> bytes:
            if len(target.asked) == 2:
                target.status, target.location = 200, ""
            return b"up_time 1\n"

        target.body = body
        asyncio.run(fetched(target, client))
        assert [asked["X-Key"] for asked in target.asked] == ["secret", "secret"]
