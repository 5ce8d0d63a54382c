"""Remote read: bytes as Google's protobuf reads them, and a real Prometheus that reads from us."""

from __future__ import annotations

import math
import time
from pathlib import Path

import cramjam
import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.inputs.protobuf.wire import fields
from novaql.inputs.remote_write.histograms import WireHistogram, columns_of, read_histogram
from novaql.server.auth.roles import Role
from novaql.server.prometheus.read_histograms import histogram_fields
from novaql.server.prometheus.read_messages import encode_samples
from tests.support.messages.remote_messages import (
    ReadRequestMessage,
    ReadResponseMessage,
    write_2_message,
)
from tests.support.messages.remote_write_messages import Series, message_of, packed
from tests.support.programs.prometheus_programs import running_prometheus
from tests.support.servers import patiently
from tests.support.servers.http_server import (
    WRITE_HEADERS,
    LocalServer,
    local_server,
    server_process,
)

VERSION_2 = "io.prometheus.write.v2.Request"


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.integers(-(2**62), 2**62) | st.integers(0, 300), st.floats(allow_nan=False)),
        max_size=20,
    )
)
@settings(max_examples=200, deadline=None)
def test_samples_are_what_protobuf_reads(pairs: list[tuple[int, float]]) -> None:
    times = np.array([t for t, _ in pairs], np.int64)
    values = np.array([v for _, v in pairs], np.float64)
    stream, ends = encode_samples(times, values)

    series = ReadResponseMessage().results.add().timeseries.add()
    series.MergeFromString(stream)
    assert [(s.timestamp, s.value) for s in series.samples] == pairs
    assert ends.tolist()[-1:] == ([len(stream)] if pairs else [])


def test_histograms_are_read_back_as_they_were() -> None:
    given_ = WireHistogram(
        1_700_000_000_123, -2, 3, 19.5, -4.25, 2.0, 0.001,
        [(-7, 1.5)], [(-3, 2.0), (-2, 1.0), (5, 4.0), (6, 9.0)], (), stale=False,
    )  # fmt: skip
    custom = WireHistogram(
        -5, -53, 0, 3.0, 4.0, 0.0, 0.0, [], [(0, 1.0), (2, 2.0)], (0.5, 1.0), stale=False
    )
    times = np.array([given_.time, custom.time], np.int64)
    found = []
    for field in histogram_fields(columns_of([given_, custom]), times):
        number, _, start, stop = next(fields(field, 0, len(field)))
        assert number == 4
        found.append(read_histogram(field, start, stop))

    assert found == [given_, custom]


def read(server: LocalServer, message: bytes, **headers: str) -> httpx.Response:
    return server.client.post(
        "/prometheus/api/v1/read",
        content=bytes(cramjam.snappy.compress_raw(message)),
        headers={"Content-Encoding": "snappy", **headers, **server.bearer(Role.READ_ONLY)},
    )


def test_queries_are_answered_in_order_series_sorted() -> None:
    series: list[Series] = [
        ({"__name__": "m", "a": "2"}, [(1_000, 1.0), (2_000, math.nan), (9_000, 3.0)]),
        ({"__name__": "m", "a": "1", "b": "x"}, [(1_500, -1.5)]),
        ({"__name__": "n"}, [(1_000, 0.0)]),
    ]
    request = ReadRequestMessage(accepted_response_types=[0, 1])
    for start, end, op, value in ((1_000, 2_000, 0, "m"), (0, 9_999, 2, "n|x"), (0, 1, 0, "n")):
        query = request.queries.add(start_timestamp_ms=start, end_timestamp_ms=end)
        query.matchers.add(type=op, name="__name__", value=value)
    with local_server() as server:
        server.write(series)
        answer = read(server, request.SerializeToString())
        small = local_limits(server)

    response = ReadResponseMessage.FromString(bytes(cramjam.snappy.decompress_raw(answer.content)))
    found = [
        [
            ({p.name: p.value for p in s.labels}, [(x.timestamp, x.value) for x in s.samples])
            for s in result.timeseries
        ]
        for result in response.results
    ]
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert answer.headers["content-encoding"] == "snappy"
    assert found[0][0] == ({"__name__": "m", "a": "1", "b": "x"}, [(1_500, -1.5)])
    assert found[0][1][0] == {"__name__": "m", "a": "2"}
    assert str(found[0][1][1]) == str([(1_000, 1.0), (2_000, math.nan)])
    assert found[1:] == [[({"__name__": "n"}, [(1_000, 0.0)])], []]
    assert small == 200


def local_limits(server: LocalServer) -> int:
    """Status of a read that asks for nothing at all."""
    return read(server, b"").status_code


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (ReadRequestMessage(accepted_response_types=[7]), "none of requested response types"),
        (
            ReadRequestMessage(queries=[{"matchers": [{"type": 2, "name": "a", "value": "("}]}]),
            "error parsing regexp",
        ),
        (
            ReadRequestMessage(queries=[{"matchers": [{"type": 7, "name": "a", "value": ""}]}]),
            "invalid matcher type",
        ),
    ],
)
def test_bad_requests_are_400(request_: object, sentence: str) -> None:
    with local_server() as server:
        answer = read(server, request_.SerializeToString())  # type: ignore[attr-defined]

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_what_is_no_snappy_and_what_is_too_much() -> None:
    request = ReadRequestMessage()
    request.queries.add(end_timestamp_ms=10**6).matchers.add(name="__name__", value="m")
    with local_server(max_read_samples=1) as server:
        server.write([({"__name__": "m"}, [(1_000, 1.0), (2_000, 1.0)])])
        url, headers = "/api/v1/read", server.bearer()
        garbage = server.client.post(url, content=b"\xff\xff", headers=headers)
        much = read(server, request.SerializeToString())

    assert garbage.status_code == 400
    assert "snappy: corrupt input" in garbage.json()["error"]
    assert much.status_code == 400
    assert much.json()["error"] == "exceeded sample limit (1)"


@pytest.mark.slow
def test_a_real_prometheus_reads_from_the_server(tmp_path: Path) -> None:
    now_ms = int(time.time() * 1000) - 3_600_000
    series: list[Series] = [
        (
            {"__name__": "far", "i": str(i)},
            [(now_ms + 15_000 * k, float(i * k)) for k in range(120)],
        )
        for i in range(3)
    ]
    with server_process(tmp_path / "data") as ours:
        bearer = {"Authorization": f"Bearer {ours.token}"}
        url = f"{ours.url}/prometheus/api/v1"
        body = packed(message_of(series))
        sent = patiently.post(f"{url}/write", content=body, headers=WRITE_HEADERS | bearer)
        assert sent.status_code == 204
        native = write_2_message([({"__name__": "hist"}, [])])
        native.timeseries[0].histograms.add(
            timestamp=now_ms + 300_000, count_int=3, zero_count_int=3, sum=1.5
        )
        version_2 = {"Content-Type": f"{WRITE_HEADERS['Content-Type']};proto={VERSION_2}"}
        headers = WRITE_HEADERS | bearer | version_2
        sent = patiently.post(f"{url}/write", content=packed(native), headers=headers)
        assert sent.status_code == 204
        config = f"""
remote_read:
  - url: {url}/read
    read_recent: true
    basic_auth: {{username: prometheus, password: {ours.token}}}
"""
        with running_prometheus(tmp_path / "prometheus", config) as theirs:
            asked = {
                "query": "sum by (i) (rate(far[5m]))",
                "start": str(now_ms // 1000 + 300),
                "end": str(now_ms // 1000 + 1500),
                "step": "60",
            }
            through = patiently.get(f"{theirs}/api/v1/query_range", params=asked).json()
            names = patiently.get(f"{theirs}/api/v1/label/i/values").json()
            counted = {"query": "histogram_count(hist)", "time": str(now_ms // 1000 + 301)}
            count = patiently.get(f"{theirs}/api/v1/query", params=counted).json()
        direct = patiently.get(f"{url}/query_range", params=asked, headers=bearer).json()

    assert through["status"] == "success", through
    # 2.53 tells infos among the warnings; a read that failed would be told there, too.
    assert all("PromQL info" in text for text in through.get("warnings", []))
    assert [s["metric"] for s in through["data"]["result"]] == [{"i": str(i)} for i in range(3)]
    for ours_, theirs_ in zip(direct["data"]["result"], through["data"]["result"], strict=True):
        assert ours_["metric"] == theirs_["metric"]
        assert [t for t, _ in ours_["values"]] == [t for t, _ in theirs_["values"]]
        assert [float(v) for _, v in ours_["values"]] == pytest.approx(
            [float(v) for _, v in theirs_["values"]], rel=1e-12
        )
    assert names["status"] == "success"
    assert count["status"] == "success", count
    assert [s["value"][1] for s in count["data"]["result"]] == ["3"]
