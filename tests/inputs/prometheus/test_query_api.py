"""Servers as data by their address: by the query API, by remote read, with a token, or a page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest

import novaql
from novaql import InputError, tsdb
from novaql.errors import StorageUnavailable
from novaql.inputs.http.servers import server_source
from novaql.inputs.importer import import_into
from novaql.inputs.prometheus.query_api import QueryApiSource, selector_text
from novaql.inputs.prometheus.remote_read import RemoteReadSource
from novaql.inputs.source_stream import source_stream
from novaql.tsdb.model.matchers import Matcher, MatchOp
from tests.support.messages.remote_write_messages import Series, message_of, packed
from tests.support.peers.exposer import exposing
from tests.support.programs.prometheus_programs import running_prometheus
from tests.support.programs.victoria_program import running_victoria
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server
from tests.support.store.model import batch_of
from tests.support.store.stored_histograms import simple

START = 1_700_000_000_000
CONFIG = "global: {}\nstorage: {tsdb: {out_of_order_time_window: 1y}}\n"
EVER = (-(2**62), 2**62)
HOST_A = [Matcher("host", MatchOp.EQUAL, "a"), Matcher("__name__", MatchOp.EQUAL, "m")]


def written() -> list[Series]:
    """Three days of samples every ten minutes, none on the second day, and values of all kinds."""
    rng = np.random.default_rng(1)
    times = [START + 600_000 * n + 7 for n in range(432) if not 144 <= n < 288]
    values = [*rng.normal(size=285), np.inf, -np.inf, np.nan]
    return [
        ({"__name__": "m", "host": host, "path": 'a"b\\'}, list(zip(times, values, strict=True)))
        for host in ("a", "b")
    ]


def flat(source: tsdb.Source) -> dict[str, list[tuple[int, str]]]:
    """Every sample of a source by series; all NaNs are alike."""
    found: dict[str, list[tuple[int, str]]] = {}
    for batch in source_stream(source).batches:
        names = [str(labels) for labels in batch.series.dicts()]
        rows, times, values = batch.series_index, batch.timestamps, batch.values
        for row, time, value in zip(rows.tolist(), times.tolist(), values.tolist(), strict=True):
            found.setdefault(names[row], []).append((time, repr(value)))
    return {name: sorted(samples) for name, samples in found.items()}


def expected() -> dict[str, list[tuple[int, str]]]:
    return {
        str(dict(sorted(labels.items()))): [(at, repr(float(value))) for at, value in samples]
        for labels, samples in written()
    }


@contextmanager
def without_read(behind: str) -> Iterator[tuple[str, list[str]]]:
    """A server that forwards to another one, all but remote read; and what was requested."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.forward(None)

        def do_POST(self) -> None:
            self.forward(self.rfile.read(int(self.headers["Content-Length"])))

        def forward(self, body: bytes | None) -> None:
            asked.append(self.path.partition("?")[0])
            status, content = 404, b"not found"
            if not self.path.endswith("/read"):
                headers = {"Content-Type": self.headers.get("Content-Type") or "text/plain"}
                method = "GET" if body is None else "POST"
                found = httpx.request(method, behind + self.path, content=body, headers=headers)
                status, content = found.status_code, found.content
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_selector_text() -> None:
    assert selector_text([]) == '{__name__=~".+"}'
    some = [Matcher("a", MatchOp.NOT_EQUAL, "x"), Matcher("1ä", MatchOp.REGEX, 'q"')]
    assert selector_text(some) == '{a!="x","1ä"=~"q\\""}'
    all_match_nothing = [Matcher("a", MatchOp.EQUAL, "")]
    assert selector_text(all_match_nothing) == '{a="",__name__=~".+"}'


@pytest.mark.slow
def test_a_real_prometheus_is_recognised_and_read_both_ways(tmp_path: Path) -> None:
    with running_prometheus(tmp_path / "prometheus", CONFIG) as theirs:
        body = packed(message_of(written()))
        assert httpx.post(f"{theirs}/api/v1/write", content=body, headers=WRITE_HEADERS).is_success
        assert isinstance(server_source(theirs), RemoteReadSource)
        whole = QueryApiSource(theirs)
        assert flat(whole) == expected()
        for most in (100, 7):
            assert flat(QueryApiSource(theirs, most_samples=most)) == expected()
        with without_read(theirs) as (address, asked):
            found = server_source(address + "/")
            assert isinstance(found, QueryApiSource)
            assert flat(found) == expected()
            assert "/api/v1/query_range" in asked
            time = START / 1000 + 86_000
            text = "sum by (host) (count_over_time(m[1h]))"
            assert novaql.query(text, address, time=time) == novaql.query(text, theirs, time=time)
            assert novaql.label_values("host", address) == ["a", "b"]
            assert novaql.labels(address, match="m") == ["__name__", "host", "path"]
            assert len(novaql.series(address, match='m{host="a"}')) == 1
        window = START + 7, START + 7 + 600_000
        assert whole.select(HOST_A, *window).samples == 2
        assert whole.select(HOST_A, window[0] + 1, window[1] - 1).samples == 0


@pytest.mark.slow
def test_a_real_victoria_is_read_by_queries(tmp_path: Path) -> None:
    with running_victoria(tmp_path / "victoria") as theirs:
        series: list[Series] = [
            ({"__name__": "m", "host": "a"}, [(START + 15_000 * n, n / 8) for n in range(100)])
        ]
        body = packed(message_of(series))
        assert httpx.post(f"{theirs}/api/v1/write", content=body, headers=WRITE_HEADERS).is_success
        assert httpx.get(f"{theirs}/internal/force_flush").is_success
        source = server_source(theirs)
        assert isinstance(source, QueryApiSource)
        found = flat(source)
    assert found == {
        "{'__name__': 'm', 'host': 'a'}": [(START + 15_000 * n, repr(n / 8)) for n in range(100)]
    }


@contextmanager
def filled_server() -> Iterator[LocalServer]:
    with tsdb.memory() as database, local_server(database) as server:
        assert server.write(written()).is_success
        yield server


def address_of(server: LocalServer) -> str:
    return f"{server.client.base_url}".rstrip("/")


@pytest.mark.slow
def test_another_novaql_is_recognised_and_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVA_TOKEN", raising=False)
    with filled_server() as server:
        address = address_of(server)
        token = server.bearer()["Authorization"].removeprefix("Bearer ")
        with pytest.raises(InputError, match="this NovaQL needs a token: set NOVA_TOKEN"):
            novaql.query("m", address)
        with pytest.raises(InputError, match="does not accept the token"):
            novaql.open(address, token="nova_wrong")
        with novaql.open(address, token=token) as database:
            assert database.query("count(m)", time=START / 1000 + 60).item() == 2
            assert database.metrics() == ["m"]
            assert "RemoteReadSource" in repr(database)
            with pytest.raises(StorageUnavailable, match="is a server, which NovaQL only reads"):
                database.load("x")
        monkeypatch.setenv("NOVA_TOKEN", token)
        assert novaql.query("count(m)", address, time=START / 1000 + 60).item() == 2
        api = QueryApiSource(f"{address}/prometheus", headers=server.bearer())
        assert flat(api) == expected()
        with tsdb.memory() as copy:
            assert import_into(copy, address).samples == 2 * 288
        monkeypatch.setenv("NOVA_TOKEN", "nova_wrong")
        with pytest.raises(InputError, match=r"this NovaQL does not accept the token$"):
            novaql.query("m", address)


def test_histograms_that_queries_do_not_have_are_a_warning() -> None:
    with tsdb.memory() as database:
        database.append(batch_of([({"__name__": "h"}, START, simple(2, b0=1, b1=1))]))
        with local_server(database) as server:
            base = f"{address_of(server)}/prometheus"
            source = QueryApiSource(base, headers=server.bearer())
            result = novaql.query("h", source, time=START / 1000)
    assert len(result) == 0
    assert result.warnings == (
        "native histograms are left out: the query API of the server does not have them",
    )


def test_a_page_at_any_address_is_scraped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVA_TOKEN", "nova_secret")
    with exposing() as exposer:
        for address in (
            exposer.url,
            f"http://{exposer.address}",
            f"http://{exposer.address}/x?y=1",
        ):
            assert novaql.query("up_time", address).item() == 1
        assert not any("Authorization" in headers for headers in exposer.asked)
        with pytest.raises(InputError, match="this is neither a Prometheus nor a NovaQL"):
            novaql.open(f"http://{exposer.address}")
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9"):
        novaql.query("m", "http://127.0.0.1:9")
