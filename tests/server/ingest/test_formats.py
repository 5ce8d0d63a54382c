"""One door for every format, and the paths of other systems' clients, over real HTTP."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import cramjam
import httpx
import pyarrow as pa
import pytest

from novaql.errors import LimitExceeded
from novaql.server.auth.roles import Role
from novaql.server.ingest.metadata_limits import MOST_CHARACTERS, BodyMetadata
from novaql.tsdb.model.source import Metadata
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import LocalServer, local_server

T = 1_700_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


@pytest.fixture(scope="module")
def empty() -> Iterator[LocalServer]:
    """Nothing is ever stored here."""
    with local_server() as made:
        yield made


def post(
    server: LocalServer, path: str, body: bytes, kind: str = "", **headers: str
) -> httpx.Response:
    sent = {"Content-Type": kind, **headers} if kind else headers
    return server.client.post(path, content=body, headers=sent | server.bearer(Role.OPERATOR))


def value(server: LocalServer, query: str, time: float = T) -> str:
    (found,) = server.prometheus("query", query=query, time=time).json()["data"]["result"]
    answer: str = found["value"][1]
    return answer


def arrow_body(**options: Any) -> bytes:
    table = pa.table(
        {
            "timestamp": pa.array([T * 1000, T * 1000], pa.timestamp("ms")),
            "name": ["m", "m"],
            "job": pa.array(["a", "b"]).dictionary_encode(),
            "value": [1.0, 2.0],
        }
    )
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write_table(table)
    return out.getvalue()


BODIES = {
    "text/plain; version=0.0.4": (
        f'# TYPE m gauge\nm{{job="a"}} 1 {T}000\nm{{job="b"}} 2 {T}000'.encode()
    ),
    "application/openmetrics-text; version=1.0.0": (
        f'# TYPE m gauge\nm{{job="a"}} 1 {T}\nm{{job="b"}} 2 {T}\n# EOF\n'.encode()
    ),
    "application/vnd.influx.line-protocol": (f'm,job=a v=1 {T}\nm,job=b v=2,why="x" {T}'.encode()),
    "application/x-ndjson": (
        f'{{"metric":{{"__name__":"m","job":"a"}},"values":[1],"timestamps":[{T}000]}}\n'
        f'{{"name":"m","labels":{{"job":"b"}},"value":2,"timestamp":{T}000}}'.encode()
    ),
    "application/vnd.apache.arrow.stream": arrow_body(),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("encoding", ["", "gzip", "zstd"])
def test_every_format_through_one_door(server: LocalServer, kind: str, encoding: str) -> None:
    body = BODIES[kind]
    if encoding == "gzip":
        body = gzip.compress(body)
    elif encoding == "zstd":
        body = bytes(cramjam.zstd.compress(body))
    headers = {"Content-Encoding": encoding} if encoding else {}
    answer = post(server, "/v1/ingest?precision=s", body, kind, **headers)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"samples": 2, "histograms": 0, "series": 2, "overwritten": 0}
    name = "m_v" if "influx" in kind else "m"
    assert [value(server, f'{name}{{job="{job}"}}') for job in "ab"] == ["1", "2"]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_arrow_with_packed_buffers(server: LocalServer, compression: str) -> None:
    kind = "application/vnd.apache.arrow.stream"
    answer = post(server, "/v1/ingest", arrow_body(compression=compression), kind)

    assert answer.json() == {"samples": 2, "histograms": 0, "series": 2, "overwritten": 0}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_at_fault_is_refused_as_a_whole(empty: LocalServer, kind: str) -> None:
    broken = BODIES[kind].rstrip(b"\n") + b'\n{oops" 1 2 3\n'
    if "arrow" in kind:
        broken = BODIES[kind][:-200]
    answer = post(empty, "/v1/ingest?precision=s", broken, kind)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "invalid_input"
    assert empty.prometheus("series", **{"match[]": '{__name__!=""}'}).json()["data"] == []


def test_metadata_of_text_is_kept(server: LocalServer) -> None:
    body = b"# HELP told What it is.\n# TYPE told counter\ntold 1\n"
    assert post(server, "/prometheus/api/v1/import/prometheus", body).status_code == 204
    assert server.store.metadata()["told"].type == "counter"


def test_metadata_of_a_body_is_bounded(empty: LocalServer) -> None:
    long = b"h" * (MOST_CHARACTERS // 100)
    body = b"".join(b"# HELP m%d %s\nm%d 1\n" % (n, long, n) for n in range(101))
    for path in ("/prometheus/api/v1/import/prometheus", "/metrics/job/j"):
        answer = post(empty, path, body)
        assert answer.status_code in (413, 422), answer.text
        assert f"metadata of more than {MOST_CHARACTERS} characters" in answer.text
    assert empty.prometheus("series", **{"match[]": '{__name__!=""}'}).json()["data"] == []
    assert empty.store.metadata() == {}


def test_metadata_that_several_blocks_have_counts_once() -> None:
    found, one = BodyMetadata(), {"m": Metadata("gauge", "h" * (MOST_CHARACTERS // 2))}
    for _ in range(3):
        found.add(one)
    with pytest.raises(LimitExceeded, match="metadata of more than"):
        found.add({"m": Metadata("counter", "h" * (MOST_CHARACTERS // 2))})


def test_what_is_not_taken_is_415(server: LocalServer) -> None:
    assert post(server, "/v1/ingest", b"x", "image/png").status_code == 415
    assert post(server, "/v1/ingest", b"x").status_code == 415
    packed = post(server, "/v1/ingest", b"x", "text/plain", **{"Content-Encoding": "br"})
    assert packed.status_code == 415


def test_a_reader_may_not_write(server: LocalServer) -> None:
    for path in ("/v1/ingest", "/write", "/api/v1/import", "/api/v2/write"):
        headers = {"Content-Type": "text/plain"} | server.bearer(Role.READ_ONLY)
        assert server.client.post(path, content=b"m v=1", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/write", "/api/v2/write", "/influx/write"])
def test_influx_clients_are_told_which_lines_are_wrong(server: LocalServer, path: str) -> None:
    body = f"cpu,host=a user=1.5 {T}\nbad\ncpu,host=b user=2.5 {T}\ncpu user= 1".encode()
    answer = post(server, f"{path}?precision=s&db=home&bucket=b&org=o", body)

    assert answer.status_code == 400
    said = answer.json()
    assert said["code"] == "invalid"
    assert said["error"].startswith("partial write: 2 lines are left out: line 2: ")
    assert "line 4: " in said["message"]
    assert value(server, 'cpu_user{host="a",db="home"}') == "1.5"
    assert value(server, 'cpu_user{host="b"}') == "2.5"
    good = post(server, f"{path}?precision=s", f"cpu,host=c user=1 {T}".encode())
    assert (good.status_code, good.content) == (204, b"")
    assert post(server, f"{path}?precision=days", b"cpu user=1").status_code == 400


def test_a_text_of_several_lines_is_no_line_of_its_own(server: LocalServer) -> None:
    body = f'log,host=d text="a\nlog,host=forged code=5 {T}\n",code=3 {T}\nbad'.encode()
    answer = post(server, "/write?precision=s", body)
    assert answer.json()["error"].startswith("partial write: 1 line is left out: line 4: ")
    assert value(server, "log_code") == "3"


def test_lines_of_an_export(server: LocalServer) -> None:
    lines = [
        {
            "metric": {"__name__": "exported", "i": str(i)},
            "values": [i, None, "Infinity"],
            "timestamps": [T * 1000, T * 1000 + 1, T * 1000 + 2],
        }
        for i in range(3)
    ]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    for path in ("/api/v1/import", "/prometheus/api/v1/import"):
        assert post(server, path, body).status_code == 204
    assert value(server, 'exported{i="2"}') == "2"
    assert value(server, 'exported{i="2"}', T + 0.002) == "+Inf"


@pytest.mark.parametrize("time", [-62_135_596_800_001, 253_402_300_800_000, -(10**17), 10**18 - 1])
def test_times_beyond_the_calendar_are_a_400_and_nothing_is_stored(
    empty: LocalServer, time: int
) -> None:
    """Years before 1 and after 9999, in every format whose times reach so far."""
    lines = f'{{"metric":{{"__name__":"m"}},"values":[1,1],"timestamps":[{time},1]}}\n'
    point = {"asDouble": 1, "timeUnixNano": str(time * 10**6)}
    sum_ = {"dataPoints": [point], "aggregationTemporality": 2}
    otlp = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "sum": sum_}]}]}]}
    write = message_of([({"__name__": "m"}, [(time, 1.0), (1, 1.0)])])
    for path, kind, body in (
        ("/v1/ingest", "text/plain", f"m 1 {time}\nm 1 1\n".encode()),
        ("/v1/ingest", "application/openmetrics-text", f"m 1 {time / 1000}\n# EOF\n".encode()),
        ("/v1/ingest", "application/x-ndjson", lines.encode()),
        ("/v1/ingest?precision=ms", "text/x-influx-line-protocol", f"a m=1 {time}\n".encode()),
        ("/api/v1/write", "application/x-protobuf", packed(write)),
        ("/api/v1/otlp/v1/metrics", "application/json", json.dumps(otlp).encode()),
    ):  # fmt: skip
        answer = post(empty, path, body, kind)
        assert answer.status_code == 400, (path, kind, answer.text)
        assert "out of range" in answer.text, (path, kind, answer.text)
    assert empty.prometheus("labels").json()["data"] == []
