"""What a hostile or broken sender may send: refused within limits, nothing stored, soon over.

NOVAQL_FUZZ=100000 pytest tests/server/ingest/test_hostile.py   runs half as many for each format.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import cramjam
import httpx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novaql.errors import NovaqlError
from novaql.inputs.batch_stream import concat_batches
from novaql.server.auth.roles import Role
from novaql.server.errors import ServerError
from novaql.server.ingest.body import Body
from novaql.server.ingest.delta import DeltaSums
from novaql.server.ingest.formats import READERS, BodyOptions
from novaql.server.ingest.intake import Intake
from novaql.server.ingest.otlp import convert
from novaql.server.ingest.otlp_messages import from_json, from_protobuf
from novaql.server.ingest.spool import Incoming
from novaql.server.settings import Settings
from novaql.tsdb.model.samples import Batch
from tests.server.ingest.test_formats import BODIES
from tests.server.ingest.test_otlp import WHOLE, as_protobuf
from tests.support.generators.fuzzing import EXAMPLES
from tests.support.messages.message_mutations import mutated
from tests.support.messages.plain_decoding import decode_request
from tests.support.messages.remote_messages import write_2_message
from tests.support.messages.remote_write_messages import message_of
from tests.support.servers.http_server import LocalServer, local_server

SMALL = Settings(max_decompressed_bytes=1 << 20, max_write_series=1000, max_labels=20, auth=False)
SERIES = [({"__name__": "m", "job": f"j{i}"}, [(1_000 + i, 1.5), (2_000, -0.0)]) for i in range(4)]
MB = 1 << 20
HANG_S = 60.0
REFUSED = {400, 413, 415, 422}


def otlp_batch(data: bytes, *, as_json: bool) -> Batch:
    request = from_json(data) if as_json else from_protobuf(data)
    deltas = DeltaSums(most_series=10).begin()
    deltas.try_turn()
    return convert(request, deltas).batch()


@dataclass(frozen=True)
class Format:
    """A valid body, and what reads it."""

    body: bytes
    read: Callable[[bytes], Batch]


def _reader(kind: str) -> Callable[[bytes], Batch]:
    intake = Intake(SMALL)
    read = READERS[kind.partition(";")[0]]

    def batch_of(data: bytes) -> Batch:
        body = Body(data, limit=SMALL.max_decompressed_bytes)
        parts = read(intake, body, BodyOptions())
        return concat_batches([part.batch for part in parts if isinstance(part, Incoming)])

    return batch_of


def _remote_write(data: bytes) -> Batch:
    return Intake(SMALL).remote_write.decode_message(data).batch


FORMATS = {
    **{kind: Format(body, _reader(kind)) for kind, body in BODIES.items()},
    "remote write 1": Format(message_of(SERIES).SerializeToString(), _remote_write),
    "remote write 2": Format(
        write_2_message(SERIES, metadata=(1, "help", "s")).SerializeToString(),
        lambda data: decode_request(data).batch,
    ),
    "otlp": Format(as_protobuf(WHOLE), lambda data: otlp_batch(data, as_json=False)),
    "otlp json": Format(json.dumps(WHOLE).encode(), lambda data: otlp_batch(data, as_json=True)),
    "protobuf exposition": Format(
        bytes.fromhex("15 0a 01 6d 18 01 22 0e 0a 06 0a 01 61 12 01 62 12 04 0a 02 00 00"),
        _reader("application/vnd.google.protobuf"),
    ),
}


@pytest.mark.parametrize("name", FORMATS)
@settings(
    max_examples=max(20, EXAMPLES // 2),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_broken_messages_are_refused_in_words_or_read(name: str, data: st.DataObject) -> None:
    """No other exception, whatever stands in them; and the next good message is read."""
    known = FORMATS[name]
    broken = data.draw(mutated(known.body) | st.binary(max_size=64))
    found = None
    with suppress(NovaqlError, ServerError):
        found = known.read(broken)
    if found is not None:
        assert len(found) <= 64 + len(broken)
        assert ((found.timestamps >= -(2**62)) & (found.timestamps <= 2**62)).all()
    if name != "protobuf exposition":
        assert len(known.read(known.body)) > 0


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """With limits of a megabyte. Nothing is ever stored here but under the name `fine`."""
    limits: dict[str, Any] = {
        "max_write_bytes": MB,
        "max_decompressed_bytes": MB,
        "max_write_series": 1000,
    }
    with local_server(max_labels=20, **limits) as made:
        yield made


def send(server: LocalServer, path: str, body: bytes, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.post(path, content=body, headers=sent | server.bearer(Role.OPERATOR))


def refused(server: LocalServer, path: str, body: bytes, **headers: str) -> httpx.Response:
    """The answer, after it is known that it came soon and that nothing was stored."""
    began = time.perf_counter()
    answer = send(server, path, body, **headers)
    assert time.perf_counter() - began < HANG_S
    assert answer.status_code in REFUSED, answer.text
    stored = server.prometheus("label/__name__/values").json()
    assert stored["data"] in ([], ["fine"])
    return answer


RW = {"Content_Type": "application/x-protobuf", "Content_Encoding": "snappy"}
RW2 = RW | {"Content_Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
OTLP = {"Content_Type": "application/x-protobuf"}
TEXT = {"Content_Type": "text/plain"}
INFLUX = {"Content_Type": "application/vnd.influx.line-protocol"}
JSON = {"Content_Type": "application/x-ndjson"}
ARROW = {"Content_Type": "application/vnd.apache.arrow.stream"}
WRITE, OTLP_PATH, INGEST = "/api/v1/write", "/api/v1/otlp/v1/metrics", "/v1/ingest"
ZEROS = bytes(200 * MB)


def snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "headers", "pack"),
    [
        (WRITE, RW, snappy),
        (WRITE, RW2, snappy),
        (OTLP_PATH, OTLP | {"Content_Encoding": "gzip"}, gzip.compress),
        (INGEST, TEXT | {"Content_Encoding": "gzip"}, gzip.compress),
        (INGEST, TEXT | {"Content_Encoding": "zstd"}, lambda d: bytes(cramjam.zstd.compress(d))),
        ("/write", {"Content_Encoding": "gzip"}, gzip.compress),
        ("/api/v1/import", {"Content_Encoding": "gzip"}, gzip.compress),
    ],
)
def test_bombs_are_413(
    server: LocalServer, path: str, headers: dict[str, str], pack: Callable[[bytes], bytes]
) -> None:
    """Two hundred megabytes of zeros, packed."""
    bomb = pack(ZEROS)[: MB - 1] if pack is snappy else pack(ZEROS)
    tracemalloc.start()
    answer = refused(server, path, bomb, **headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code == 413
    assert peak < 40 * MB


def test_sizes_that_are_lies_are_400(server: LocalServer) -> None:
    """A snappy block that claims less or more than it holds; gzip and zstd that are cut off."""
    body = snappy(message_of(SERIES).SerializeToString())
    for claimed in (b"\x05", b"\xff\x7f", b"\xff\xff\xff\xff\x0f"):
        assert refused(server, WRITE, claimed + body[1:], **RW).status_code in (400, 413)
    packed = gzip.compress(b"m 1\n" * 100)
    for broken in (packed[:-9], packed + b"junk", packed[:20]):
        answer = refused(server, INGEST, broken, **TEXT, Content_Encoding="gzip")
        assert answer.status_code == 400
    many = gzip.compress(b"") * 2000 + packed
    assert refused(server, INGEST, many, **TEXT, Content_Encoding="gzip").status_code == 400
    squeezed = bytes(cramjam.zstd.compress(b"m 1\n" * 100))
    for broken in (squeezed[:-5], b"\x28\xb5\x2f\xfd" + b"\xff" * 20, b""):
        answer = refused(server, INGEST, broken + b"", **TEXT, Content_Encoding="zstd")
        assert answer.status_code == 400


def endless_labels(count: int) -> dict[str, str]:
    return {"__name__": "m", **{f"l{i}": "x" for i in range(count)}}


def many_series(count: int, names: int = 1) -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
    return [
        ({"__name__": "m", f"l{i % names}": str(i)}, [(1_700_000_000_000, 1.0)])
        for i in range(count)
    ]


def text_of(labels: dict[str, str]) -> bytes:
    return (
        "m{" + ",".join(f'{k}="{v}"' for k, v in labels.items() if k[0] != "_") + "} 1\n"
    ).encode()


def influx_of(labels: dict[str, str]) -> bytes:
    return (
        ",".join(["m", *(f"{k}={v}" for k, v in labels.items() if k[0] != "_")]) + " v=1\n"
    ).encode()


def json_of(labels: dict[str, str]) -> bytes:
    return json.dumps({"metric": labels, "value": 1}, separators=(",", ":")).encode() + b"\n"


def first_of(labels: dict[str, str]) -> bytes:
    return snappy(message_of([(labels, [(1, 1.0)])]).SerializeToString())


def second_of(labels: dict[str, str]) -> bytes:
    return snappy(write_2_message([(labels, [(1, 1.0)])]).SerializeToString())


LABELLED: list[tuple[str, dict[str, str], Callable[[dict[str, str]], bytes]]] = [
    (WRITE, RW, lambda labels: snappy(message_of([(labels, [(1, 1.0)])]).SerializeToString())),
    (
        WRITE,
        RW2,
        lambda labels: snappy(write_2_message([(labels, [(1, 1.0)])]).SerializeToString()),
    ),
    (INGEST, TEXT, text_of),
    (INGEST, INFLUX, influx_of),
    (INGEST, JSON, json_of),
]
"""Path, headers, and a body with one series of these labels. OTLP: test_otlp_points.py."""


@pytest.mark.slow
@pytest.mark.parametrize(("path", "headers", "body_of"), LABELLED)
def test_endless_labels_are_400(
    server: LocalServer,
    path: str,
    headers: dict[str, str],
    body_of: Callable[[dict[str, str]], bytes],
) -> None:
    """More labels than are allowed; as many as fit into the body; one with a long name or value."""
    for labels in (
        endless_labels(21),
        endless_labels(30_000),
        {"__name__": "m", "l" * 1100: "x"},
        {"__name__": "m", "l": "x" * 70_000},
    ):
        answer = refused(server, path, body_of(labels), **headers)
        assert answer.status_code == 400
        assert re.search("label|tags", answer.text)


@pytest.mark.parametrize("names", [1, 1_000])
@pytest.mark.parametrize(
    ("path", "headers", "join"),
    [
        (WRITE, RW, lambda some: snappy(message_of(some).SerializeToString())),
        (WRITE, RW2, lambda some: snappy(write_2_message(some).SerializeToString())),
        (INGEST, TEXT, lambda some: b"".join(text_of(labels) for labels, _ in some)),
        (INGEST, INFLUX, lambda some: b"".join(influx_of(labels) for labels, _ in some)),
        (INGEST, JSON, lambda some: b"".join(json_of(labels) for labels, _ in some)),
    ],
)
def test_too_many_series_are_413(
    server: LocalServer, path: str, headers: dict[str, str], join: Callable[..., bytes], names: int
) -> None:
    body = join(many_series(5_000, names))
    assert refused(server, path, body, **headers).status_code == 413


def deep(levels: int) -> bytes:
    """An OTLP attribute that is an array of an array of …"""
    value = b"\x0a\x01x"
    for _ in range(levels):
        inside = b"\x0a" + _size(value) + value
        value = b"\x2a" + _size(inside) + inside
    parts = b"\x0a\x01k\x12" + _size(value) + value
    for key in (b"\x3a", b"\x0a", b"\x2a", b"\x12", b"\x12", b"\x0a"):
        parts = key + _size(parts) + parts
    return parts


def _size(data: bytes) -> bytes:
    size, out = len(data), bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*out, size])


def test_deep_nesting_is_400(server: LocalServer) -> None:
    assert refused(server, OTLP_PATH, deep(5_000), **OTLP).status_code == 400
    nested = b'{"arrayValue":{"values":[' * 2_000 + b"]}}" * 2_000
    attribute = b'{"key":"k","value":' + nested + b"}"
    body = (
        b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":'
        b'[{"attributes":[' + attribute + b"]}]}}]}]}]}"
    )
    assert refused(server, OTLP_PATH, body, Content_Type="application/json").status_code == 400
    for line in (b"[" * 100_000, b'{"metric":' * 10_000, b'{"a":' * 100 + b"1" + b"}" * 100):
        assert refused(server, INGEST, line, **JSON).status_code == 400


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (TEXT, b"m 1 NaN\n"),
        (TEXT, b"m 1 1e400\n"),
        (TEXT, b'm{a="\xff"} 1\n'),
        (TEXT, b"m 1 9999999999999999999999\n"),
        ({"Content_Type": "application/openmetrics-text"}, b"m 1 NaN\n# EOF\n"),
        ({"Content_Type": "application/openmetrics-text"}, b"m 1\n"),
        (INFLUX, b"m v=1 NaN"),
        (INFLUX, b"m\xff v=1"),
        (INFLUX, b"m v=1 9223372036854775807999"),
        (JSON, b'{"name":"m","value":1,"timestamp":NaN}'),
        (JSON, b'{"name":"m","value":1,"timestamp":"NaN"}'),
        (JSON, b'{"name":"m\xff","value":1}'),
        (JSON, b'{"name":"m\\ud800","value":1}'),
        (ARROW, b""),
        (ARROW, b"ARROW1\0\0"),
        (ARROW, b"\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ({"Content_Type": "application/vnd.google.protobuf"}, b"\xff\xff\xff\xff\x0f"),
    ],
)
def test_times_and_texts_that_cannot_be_are_400(
    server: LocalServer, headers: dict[str, str], body: bytes
) -> None:
    assert refused(server, INGEST, body, **headers).status_code == 400


def arrow_stream(table: pa.Table, **options: Any) -> bytearray:
    out = io.BytesIO()
    chosen = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(out, table.schema, options=chosen) as stream:
        stream.write_table(table)
    return bytearray(out.getvalue())


def test_arrow_bombs_and_false_offsets(server: LocalServer) -> None:
    """Sizes are looked at before Arrow believes them; offsets that lead outside are found."""
    rows = 2 * MB
    zeros = pa.table(
        {"time": pa.array(np.zeros(rows, "M8[ms]")), "value": pa.array(np.zeros(rows))}
    )
    packed = arrow_stream(zeros, compression="zstd")
    assert len(packed) < MB
    assert refused(server, INGEST, bytes(packed), **ARROW).status_code == 413
    none = pa.Array.from_buffers(pa.null(), 1 << 40, [None])  # pa.nulls would fill 128 GiB
    nothing = pa.table({"time": none, "value": none})
    answer = refused(server, INGEST, bytes(arrow_stream(nothing, allow_64bit=True)), **ARROW)
    assert answer.status_code == 413
    times, values = pa.array(np.zeros(3, "M8[ms]")), pa.array(np.ones(3))
    good = pa.table({"time": times, "job": ["a", "b", "c"], "value": values})
    body = arrow_stream(good)
    place = body.find(struct.pack("<4i", 0, 1, 2, 3))
    body[place + 8 : place + 12] = struct.pack("<i", 1 << 28)
    assert refused(server, INGEST, bytes(body), **ARROW).status_code == 400


def test_the_server_is_well_afterwards(server: LocalServer) -> None:
    answer = send(server, INGEST, b"fine 1 1700000000000\n", **TEXT)
    assert answer.json()["samples"] == 1
    found = server.prometheus("query", query="fine", time=1_700_000_000).json()
    assert found["data"]["result"][0]["value"][1] == "1"
