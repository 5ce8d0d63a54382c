"""Large answers are made piece by piece as the client takes them; half an answer looks like one."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import cramjam
import httpx
import numpy as np
import pyarrow as pa
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from novaql import export, query, tsdb
from novaql.export import prometheus_json
from novaql.export.compiled_text import TEXTS
from novaql.server.http.streaming import LARGE_PIECE, Begun, PiecesResponse, begin
from novaql.server.pools.query_workers import QueryWorkers
from novaql.server.prometheus import queries
from novaql.server.query import formats
from novaql.server.tuning import Tuning
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from tests.support.servers.http_server import LocalServer, local_server

SERIES, SAMPLES = 400, 300
RANGE: dict[str, Any] = {"query": "m", "start": 1000, "end": 1000 + SAMPLES - 1, "step": 1}
AT_ONCE = Tuning().answer_at_once
JSON_AT_ONCE = Tuning().json_at_once
ARROW_AT_ONCE = Tuning().arrow_at_once
PROMETHEUS = "/prometheus/api/v1/query_range"


def filled() -> tsdb.Database:
    store = tsdb.memory()
    table = SeriesTable.from_dicts([{"__name__": "m", "i": f"{i}é"} for i in range(SERIES)])
    times = np.tile(1_000_000 + np.arange(SAMPLES, dtype=np.int64) * 1000, SERIES)
    values = np.random.default_rng(1).random(SERIES * SAMPLES)
    store.append(Batch(table, np.repeat(np.arange(SERIES), SAMPLES), times, values))
    return store


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server(filled()) as made:
        yield made


def raw(server: LocalServer, encoding: str, **body: Any) -> tuple[httpx.Headers, bytes]:
    headers = server.bearer() | {"Accept-Encoding": encoding}
    ask: dict[str, Any] = {"method": "GET", "url": PROMETHEUS, "params": RANGE}
    if body:
        ask = {"method": "POST", "url": "/v1/novaql", "json": RANGE | body}
    with server.client.stream(**ask, headers=headers) as answer:
        return answer.headers, b"".join(answer.iter_raw())


@pytest.mark.slow
def test_the_whole_is_what_one_piece_would_be(server: LocalServer) -> None:
    whole: list[bytes] = []
    for at_once in (1 << 30, 1 << 16):
        with local_server(filled(), tuning=Tuning(json_at_once=at_once)) as made:
            headers, text = raw(made, "identity")
        sent_whole = headers.get("content-length") == str(len(text))
        # Once texts are compiled an answer is one large piece, and goes out whole.
        assert sent_whole or (at_once < 1 << 30 and headers["transfer-encoding"] == "chunked")
        whole.append(text)
    assert whole[0] == whole[1]
    assert len(json.loads(whole[0])["data"]["result"]) == SERIES
    expected = query("m", server.store, start=1000, end=1000 + SAMPLES - 1, step="1s")
    assert json.loads(whole[0])["data"] == expected.to_prometheus()


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_packed_pieces_read_back(server: LocalServer, form: str, encoding: str) -> None:
    plain_headers, plain = raw(server, "identity", format=form)
    headers, packed = raw(server, encoding, format=form)

    for found, body in ((plain_headers, plain), (headers, packed)):
        chunked = found.get("transfer-encoding") == "chunked"
        # Once texts are compiled JSON is one large piece, and goes out whole, as Arrow does.
        assert chunked or found["content-length"] == str(len(body))
        assert chunked or form != "csv"
    assert headers["content-encoding"] == encoding
    unpack = cramjam.gzip.decompress if encoding == "gzip" else cramjam.zstd.decompress
    unpacked = bytes(unpack(packed))
    if form == "json":  # the time that it took is another one
        assert json.loads(unpacked)["result"] == json.loads(plain)["result"]
    else:
        assert unpacked == plain


@pytest.mark.parametrize("at_once", [1 << 16, ARROW_AT_ONCE])
def test_an_arrow_stream_is_the_table_in_batches(at_once: int) -> None:
    with local_server(filled(), tuning=Tuning(arrow_at_once=at_once)) as server:
        headers, body = raw(server, "identity", format="arrow")
        store = server.store
        expected = query("m", store, start=1000, end=1000 + SAMPLES - 1, step="1s").arrow()
    assert ("content-length" in headers) == (len(body) <= at_once)
    with pa.ipc.open_stream(io.BytesIO(body)) as reader:
        batches = list(reader)
    assert len(batches) > 1
    assert pa.Table.from_batches(batches).combine_chunks() == expected


def patch_pieces(monkeypatch: pytest.MonkeyPatch, pieces: Callable[..., Iterator[Any]]) -> None:
    """Replace the pieces of answers of Prometheus's API, and no others."""
    changed = {name: getattr(export, name) for name in ("first_series", "ValueStyle")}
    monkeypatch.setattr(queries, "export", SimpleNamespace(**changed, result_pieces=pieces))


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("body", [{}, {"format": "json"}, {"format": "csv"}, {"format": "arrow"}])
def test_an_error_on_the_way_is_not_the_end_of_an_answer(
    server: LocalServer, encoding: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = {"arrow": ARROW_AT_ONCE, "csv": AT_ONCE}.get(body.get("format", ""), JSON_AT_ONCE)

    def breaks(made: Iterator[Any]) -> Iterator[Any]:
        for _ in range(2):
            yield next(made)
        yield b" " * (2 * at_once)
        for _ in range(4):
            yield b" " * LARGE_PIECE
        raise OSError("the disk is gone")

    whole_json, encode = prometheus_json.result_pieces, formats.encode
    patch_pieces(monkeypatch, lambda *a, **k: breaks(whole_json(*a, **k)))
    monkeypatch.setattr(
        "novaql.server.query.router.encode",
        lambda *a, **k: breaks(iter([b"a", b"b", *encode(*a, **k)])),
    )
    with pytest.raises(httpx.RemoteProtocolError):
        raw(server, encoding, **body)
    monkeypatch.undo()
    assert raw(server, encoding, **body)[1]  # the server lives


def test_an_error_at_the_start_is_an_error(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> Iterator[bytes]:
        yield b"["
        raise OSError("the disk is gone")

    patch_pieces(monkeypatch, breaks)
    answer = server.prometheus("query_range", **RANGE)
    assert answer.status_code == 500
    assert answer.json()["status"] == "error"


def test_a_large_piece_and_little_behind_it_is_all_of_an_answer() -> None:
    large = bytes(3 * AT_ONCE)
    begun = begin(iter([b"{", b"[", large, b"]", b"more", b"}"]), AT_ONCE)

    assert begun.rest is None
    assert [bytes(piece) for piece in begun.pieces] == [b"{[", large, b"]more}"]


def test_a_large_piece_and_much_behind_it_is_not() -> None:
    large, small = bytes(3 * AT_ONCE), bytes(LARGE_PIECE // 8)
    following = itertools.repeat(small, 20)
    begun = begin(itertools.chain([large], following), AT_ONCE)

    assert begun.rest is not None
    assert sum(map(len, begun.pieces)) == len(large) + LARGE_PIECE
    assert sum(map(len, begun.rest)) == 12 * len(small)


def test_pieces_are_made_when_the_one_before_was_taken() -> None:
    made: list[int] = []

    def many() -> Iterator[bytes]:
        for number in range(100):
            made.append(number)
            yield bytes(300_000)

    begun = begin(many(), AT_ONCE)
    assert len(made) < 10

    async def run() -> list[int]:
        workers, seen = QueryWorkers(threads=1, queue=1), []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body" and len(message["body"]):
                seen.append(len(made))

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        await PiecesResponse(begun, workers, media_type="text/plain", headers=None)(
            {"state": {}}, receive, send
        )
        workers.close()
        return seen

    seen = asyncio.run(run())
    assert len(made) == 100
    # When half is sent, half is made and no more than a piece ahead.
    assert max(b - a for a, b in itertools.pairwise(seen)) <= 1


def test_nothing_is_made_for_a_client_that_left() -> None:
    made: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            made.append(1)
            yield bytes(100)

    async def run() -> None:
        workers, left = QueryWorkers(threads=1, queue=1), asyncio.Event()

        async def send(_: Message) -> None:
            await asyncio.sleep(0)
            if len(made) == 5:
                left.set()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        answer = PiecesResponse(
            Begun([b"first"], endless()), workers, media_type="text/plain", headers=None
        )
        with pytest.raises(ClientDisconnect):
            await answer({"state": {}}, receive, send)
        workers.close()

    asyncio.run(run())
    assert len(made) < 10


@pytest.mark.slow
def test_refreshed_panels_over_http_are_answers_without_the_cache(server: LocalServer) -> None:
    pytest.importorskip("numba", reason="needs compiled texts: pip install 'novaql[fast]'")
    TEXTS.prepare()
    for shift in range(5):
        query = RANGE | {"query": "sum by (i) (m)", "start": 1000 + shift, "end": 1200 + shift}
        cached = server.prometheus("query_range", **query)
        uncached = server.prometheus("query_range", **query, nocache="1")
        assert cached.content == uncached.content
    assert server.context.caches.results.steps_reused > 0
