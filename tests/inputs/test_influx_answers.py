"""Tokens for an InfluxDB, and answers that are not whole: by a stand-in with documented answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from novaql import InputError, tsdb
from novaql.cli.main import run
from novaql.inputs.http.influx_server import InfluxServer
from novaql.inputs.http.servers import server_at
from novaql.inputs.source_stream import source_stream
from tests.support.programs.prometheus_programs import free_port

START = 1_767_225_600_000
NS = 1_000_000


class Requests(list[tuple[str, str | None, Mapping[str, list[str]]]]):
    """Paths, Authorization and forms of requests to a server."""


@contextmanager
def answering(
    answers: Sequence[tuple[int, str]], *, version: str | None
) -> Iterator[tuple[str, Requests]]:
    """A server with the version header of an InfluxDB, and its answers to queries in turn."""
    seen, left = Requests(), iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization"), {}))
            self._answer(204 if self.path == "/ping" else 404, "")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            seen.append((self.path, self.headers.get("Authorization"), parse_qs(body)))
            self._answer(*next(left))

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            if version is not None:
                self.send_header("X-Influxdb-Version", version)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer_of(columns: Sequence[str], row: Sequence[object]) -> str:
    series = {"name": "m", "columns": columns, "values": [row]}
    return json.dumps({"results": [{"statement_id": 0, "series": [series]}]}) + "\n"


KEYS = answer_of(["fieldKey", "fieldType"], ["v", "unsigned"])
ROW = answer_of(["time", "v"], [START * NS, 2**64 - 1])


@pytest.mark.parametrize("given_", ["option", "variable"])
def test_influxdb_2_gets_a_token(
    given_: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stand-in with the documented answers of InfluxDB 2's `/query`, in one piece."""
    monkeypatch.setenv("NOVA_TOKEN", "of NovaQL")
    if given_ == "variable":
        monkeypatch.setenv("INFLUX_TOKEN", "s3cret")
    target = tmp_path / "copy"
    with answering(
        [(200, one) for one in (KEYS, ROW, KEYS, ROW, KEYS, ROW, ROW)], version="v2.7.1"
    ) as (url, seen):
        end = ["--end", str(START // 1000 + 60)]
        more = ["--token", "s3cret"] if given_ == "option" else []
        assert run(["import", f"{url}?db=b&rp=autogen", "--data", str(target), *end, *more]) == 0

    with tsdb.open(target) as database:
        (batch,) = source_stream(database).batches
    assert batch.series.dicts() == [{"__name__": "m_v"}]
    assert batch.timestamps.tolist() == [START]
    assert batch.values.tolist() == [2.0**64]
    queries = [one for one in seen if one[0] == "/query"]
    assert {authorization for _, authorization, _ in queries} == {"Token s3cret"}
    assert {(form["db"][0], form["rp"][0]) for _, _, form in queries} == {("b", "autogen")}
    assert [authorization for path, authorization, _ in seen if path == "/ping"] == [None]


def test_a_token_is_for_an_influxdb_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "s3cret")
    with answering([], version=None) as (url, seen):
        assert server_at(f"{url}?db=b") is None
        assert server_at(url) is None

    assert {authorization for _, authorization, _ in seen} == {None}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (KEYS.replace('"statement_id": 0', '"statement_id": 0, "partial": true'), "ends too early"),
        ("", "ends too early"),
        ("<html>", "is no answer of InfluxDB"),
        ("[1]", "is no answer of InfluxDB"),
        (KEYS + '{"results":[{"statement_id":0,"error":"timeout"}]}\n', "answers: timeout"),
        ('{"error":"out of memory"}', "answers: out of memory"),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(answer: str, message: str) -> None:
    with answering([(200, answer)], version="1.8.10") as (url, _):
        server = server_at(f"{url}/?db=b")
        assert isinstance(server, InfluxServer)
        with pytest.raises(InputError, match=message) as caught:
            list(server.batches([], START, START))

    assert str(caught.value).startswith(f"{url}?db=b: ")


def test_a_server_that_is_not_there_is_named_without_parameters() -> None:
    with pytest.raises(InputError, match="refused") as caught:
        server_at(f"http://me:s3cret@127.0.0.1:{free_port()}?db=b&p=s3cret")

    assert str(caught.value).startswith("http://127.0.0.1:")
    assert "s3cret" not in str(caught.value)
