"""Which encoding an answer gets, and that it reads back."""

from __future__ import annotations

import asyncio

import cramjam
import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from novaql.server.http.compression import Compression, accepted_encoding
from novaql.server.http.streaming import LARGE_PIECE, Begun, Piece, pieces_response
from novaql.server.pools.query_workers import QueryWorkers
from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0, gzip;q=0", None),
        ("GZIP;q=0.1", "gzip"),
        ("gzip;q=nonsense", None),
    ],
)
def test_the_encoding_the_client_likes_best(accept: str, encoding: str | None) -> None:
    assert encoding == accepted_encoding(accept)


def test_zstd_reads_back(server: LocalServer) -> None:
    query: dict[str, str | int] = {"query": "up", "start": NOW_S - 600, "end": NOW_S, "step": 1}
    url = "/prometheus/api/v1/query_range"

    def raw(encoding: str) -> tuple[str | None, bytes]:
        headers = server.bearer() | {"Accept-Encoding": encoding}
        with server.client.stream("GET", url, params=query, headers=headers) as answer:
            return answer.headers.get("content-encoding"), b"".join(answer.iter_raw())

    plain, packed = raw("identity"), raw("zstd")

    assert plain[0] is None
    assert packed[0] == "zstd"
    assert bytes(cramjam.zstd.decompress(packed[1])) == plain[1]


def test_small_answers_stay_as_they_are(server: LocalServer) -> None:
    answer = server.client.get("/healthz", headers={"Accept-Encoding": "gzip"})

    assert "content-encoding" not in answer.headers
    assert "accept-encoding" in answer.headers["vary"].lower()


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
@pytest.mark.parametrize("media", ["application/json", "application/jsonl"])
@pytest.mark.parametrize("size", [LARGE_PIECE - 1, LARGE_PIECE, 5 * LARGE_PIECE])
def test_an_answer_of_one_piece_has_a_length(encoding: str, media: str, size: int) -> None:
    piece = memoryview(bytes(range(256)) * 2000)[:size]
    head, sent = _messages_of([piece], media, encoding)

    assert [bool(message.get("more_body")) for message in sent] == [False]
    body = sent[0]["body"]
    assert head["content-length"] == str(len(body))
    assert head.get("content-encoding") == (None if encoding == "identity" else encoding)
    if encoding == "identity":
        assert body.obj is piece.obj  # not copied
    else:
        unpack = cramjam.gzip.decompress if encoding == "gzip" else cramjam.zstd.decompress
        assert bytes(unpack(body)) == piece


def _messages_of(pieces: list[Piece], media: str, accept: str) -> tuple[Headers, list[Message]]:
    """The headers and the messages with the body of a complete answer."""
    workers = QueryWorkers(threads=1, queue=1)
    answer = pieces_response(Begun(pieces, None), workers, media_type=media)
    scope = {"type": "http", "state": {"headers": {b"accept-encoding": accept.encode()}}}
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    asyncio.run(Compression(answer, smallest=500)(scope, receive, send))
    workers.close()
    return Headers(raw=sent[0]["headers"]), sent[1:]
