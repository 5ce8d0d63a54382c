"""Compressed answers of targets, and redirects."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from novaql.server.scraping.fetch import Fetched, Fetcher, FetchProblem
from novaql.server.scraping.model import BasicAuth, Client, HttpHeader, Tls
from tests.support.peers.authority import Authority
from tests.support.peers.exposer import Exposer, exposing
from tests.support.peers.probed import answering, http, probed


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


def test_the_files_of_tls_may_appear_later(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = Tls(ca_file=str(tmp_path / "ca.pem"), server_name="other.test")

    async def body(url: str) -> bytes:
        fetcher = Fetcher(Client(tls_config=tls))
        try:
            with pytest.raises(FetchProblem, match=r"tls_config: .*No such file"):
                await fetcher.get(url, 20.0, {})
            (tmp_path / "ca.pem").write_bytes(authority.file.read_bytes())
            return (await fetcher.get(url, 20.0, {})).body
        finally:
            await fetcher.close()

    with probed(answering(http(200, b"a 1\n")), authority.server(host="other.test")) as peer:
        assert asyncio.run(body(f"https://127.0.0.1:{peer.port}/")) == b"a 1\n"


def test_a_header_that_cannot_be_sent_fails_the_request() -> None:
    client = Client(http_headers={"X-Key": HttpHeader(values=("ключ",))})
    with exposing() as target, pytest.raises(FetchProblem, match="ascii"):
        asyncio.run(fetched(target, client))
