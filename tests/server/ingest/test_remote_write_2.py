"""Remote write 2.0: messages by Google's protobuf and broken ones; headers and status codes."""

from __future__ import annotations

import cramjam
import pytest

from novaql.server.auth.roles import Role
from novaql.tsdb.model.samples import STALE
from novaql.tsdb.model.source import Metadata
from tests.server.conftest import NOW_S
from tests.support.messages.remote_messages import write_2_message
from tests.support.messages.remote_write_messages import packed
from tests.support.servers.http_server import WRITE_2_HEADERS, LocalServer, local_server

WRITTEN = [f"x-prometheus-remote-write-{k}-written" for k in ("samples", "histograms", "exemplars")]


def test_a_whole_message_is_stored_with_its_metadata() -> None:
    series = [
        ({"__name__": "lat_bucket", "le": "1"}, [(1_000, 1.0), (2_000, 2.0)]),
        ({"__name__": "lat_count"}, [(1_000, 3.0)]),
    ]
    message = write_2_message(series, metadata=(3, "Latency.", "seconds"))
    message.timeseries[0].exemplars.add(value=1.0)
    message.timeseries[1].histograms.add(
        timestamp=4_000, sum=1.0, count_int=1, zero_count_int=1, start_timestamp=500
    )
    for one in message.timeseries[0].samples:
        one.start_timestamp = 500
    with local_server() as server:
        answer = server.client.post(
            "/prometheus/api/v1/write",
            content=packed(message),
            headers=WRITE_2_HEADERS | server.bearer(Role.OPERATOR),
        )
        values = server.prometheus("query", query="lat_bucket[5s]", time=3).json()
        native = server.prometheus("query", query="lat_count", time=5).json()
        known = server.store.metadata()

    assert answer.status_code == 204
    assert [answer.headers[name] for name in WRITTEN] == ["3", "1", "1"]
    assert values["data"]["result"][0]["values"] == [[1, "1"], [2, "2"]]
    assert native["data"]["result"][0]["histogram"][1]["count"] == "1"
    assert known == {"lat": Metadata("histogram", "Latency.", "seconds")}


def test_staleness_markers_of_histograms_count_as_histograms() -> None:
    message = write_2_message([({"__name__": "up"}, [(1_000, 1.0)]), ({"__name__": "lat"}, [])])
    message.timeseries[1].histograms.add(timestamp=1_000, sum=1.0, count_int=1, zero_count_int=1)
    message.timeseries[1].histograms.add(timestamp=2_000, sum=STALE)
    with local_server() as server:
        answer = server.client.post(
            "/prometheus/api/v1/write",
            content=packed(message),
            headers=WRITE_2_HEADERS | server.bearer(Role.OPERATOR),
        )
        ended = server.prometheus("query", query="lat", time=2).json()

    assert [answer.headers[name] for name in WRITTEN] == ["1", "2", "0"]
    assert ended["data"]["result"] == []


def broken(*, refs: list[int], symbols: tuple[str, ...] = ("", "__name__", "m", "a")) -> bytes:
    message = write_2_message([({"__name__": "m"}, [(1, 1.0)])])
    del message.symbols[:], message.timeseries[0].labels_refs[:]
    message.symbols.extend(symbols)
    message.timeseries[0].labels_refs.extend(refs)
    return packed(message)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (broken(refs=[1]), "a label name has no value"),
        (broken(refs=[1, 9]), "symbol 9 is beyond the table of 4"),
        (broken(refs=[1, 2, 0, 3]), "a label has no name"),
        (broken(refs=[1, 2, 1, 2]), "the label __name__ is given twice"),
        (broken(refs=[3, 2]), "it has no metric name"),
        (broken(refs=[]), "it has no labels"),
        (broken(refs=[1, 2], symbols=("x", "__name__", "m")), "first symbol"),
        (b"no snappy", "snappy: corrupt input"),
        (bytes(cramjam.snappy.compress_raw(b"\x0a\x00")), "one of remote write 1.0"),
        (bytes(cramjam.snappy.compress_raw(b"\x2a\x7f")), "ends behind its message"),
    ],
)
def test_a_bad_message_is_400_and_nothing_of_it_is_stored(
    server: LocalServer, body: bytes, sentence: str
) -> None:
    headers = WRITE_2_HEADERS | server.bearer(Role.OPERATOR)
    answer = server.client.post("/api/v1/write", content=body, headers=headers)

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert [answer.headers[name] for name in WRITTEN] == ["0", "0", "0"]
    assert server.prometheus("query", query="m", time=NOW_S).json()["data"]["result"] == []


def test_too_large_is_413_and_an_unknown_message_415() -> None:
    body = packed(write_2_message([({"__name__": "m", "l": "x" * 2000}, [(1, 1.0)])]))
    with local_server(max_decompressed_bytes=1000) as server:
        bearer = server.bearer(Role.OPERATOR)
        large = server.client.post("/api/v1/write", content=body, headers=WRITE_2_HEADERS | bearer)
        other = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v9.Request"}
        unknown = server.client.post(
            "/api/v1/write", content=body, headers=WRITE_2_HEADERS | bearer | other
        )

    assert len(body) < 1000
    assert large.status_code == 413
    assert unknown.status_code == 415
    assert [unknown.headers[name] for name in WRITTEN] == ["0", "0", "0"]


class UnwritableMetadata:
    """A memory store that takes no metadata."""

    def __init__(self, store: object) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def set_metadata(self, _: object) -> None:
        from novaql.tsdb.errors import WriteFailed  # noqa: PLC0415 - only here

        raise WriteFailed("no space")


def test_when_metadata_cannot_be_stored_no_sample_is() -> None:
    from novaql import tsdb  # noqa: PLC0415 - only here

    message = write_2_message([({"__name__": "m"}, [(1_000, 1.0)])], metadata=(1, "help", ""))
    with local_server(UnwritableMetadata(tsdb.memory())) as server:  # type: ignore[arg-type]
        answer = server.client.post(
            "/api/v1/write", content=packed(message), headers=WRITE_2_HEADERS | server.bearer()
        )
        found = server.prometheus("query", query="m", time=1).json()

    assert answer.status_code == 503
    assert found["data"]["result"] == []
