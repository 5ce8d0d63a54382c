"""Native histograms from a sender's message to an answer."""

from __future__ import annotations

import numpy as np

from novaql.inputs.remote_write.decoder import RemoteWriteDecoder
from novaql.server.auth.roles import Role
from novaql.server.query.schema import NovaqlAnswer
from novaql.tsdb.model.samples import STALE, STALE_BITS
from tests.support.messages.plain_decoding import decode_request
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server
from tests.support.store.stored_histograms import natives_of

TIME_S = 1_700_000_000


def write(server: LocalServer) -> int:
    message = message_of([({"__name__": "latency", "job": "api"}, [])])
    for step in range(2):
        one = message.timeseries[0].histograms.add(
            schema=0, count_int=6 + step, sum=9.5, timestamp=(TIME_S + 60 * step) * 1000
        )
        one.positive_spans.add(offset=0, length=2)
        one.positive_deltas.extend([2, 2 + step])
    headers = WRITE_HEADERS | server.bearer(Role.OPERATOR)
    status: int = server.client.post(
        "/api/v1/write", content=packed(message), headers=headers
    ).status_code
    return status


def test_what_a_sender_wrote_is_answered() -> None:
    with local_server() as server:
        assert write(server) == 204
        whole = server.prometheus("query", query="latency", time=TIME_S).json()
        counts = server.prometheus(
            "query_range", query="histogram_count(latency)",
            start=TIME_S, end=TIME_S + 60, step=60,
        ).json()  # fmt: skip
        labels = server.prometheus("label/job/values").json()

    (sample,) = whole["data"]["result"]
    assert sample["metric"] == {"__name__": "latency", "job": "api"}
    assert sample["histogram"][1] == {
        "count": "6",
        "sum": "9.5",
        "buckets": [[0, "0.5", "1", "2"], [0, "1", "2", "4"]],
    }
    assert counts["data"]["result"][0]["values"] == [[TIME_S, "6"], [TIME_S + 60, "7"]]
    assert labels["data"] == ["api"]


def test_version_2_brings_the_same() -> None:
    one = message_of([({"__name__": "latency"}, [])])
    wire = one.timeseries[0].histograms.add(schema=0, count_int=4, sum=9.5, timestamp=2)
    wire.positive_spans.add(offset=0, length=2)
    wire.positive_deltas.extend([1, 2])
    ended = one.timeseries[0].histograms.add(sum=STALE, timestamp=3)

    def field(key: int, content: bytes) -> bytes:
        return bytes([key, len(content)]) + content

    symbols = b"".join(field(0x22, symbol) for symbol in (b"", b"__name__", b"latency"))
    sample = field(0x12, b"\x09" + np.float64(1.0).tobytes() + b"\x10\x01")
    # The second version calls a histogram's fields by the same numbers.
    refs = field(0x0A, b"\x01\x02")
    natives = field(0x1A, wire.SerializeToString()) + field(0x1A, ended.SerializeToString())
    series = field(0x2A, refs + sample) + field(0x2A, natives + refs)
    first = decode_request(symbols + series)
    second = RemoteWriteDecoder().decode_message(one.SerializeToString()).batch

    assert first.batch.timestamps.tolist() == [1, 3]
    assert first.batch.values.view(np.uint64).tolist()[1] == STALE_BITS
    assert len(first.batch.series) == 1
    assert first.batch.native is not None
    assert second.native is not None
    assert first.batch.native.timestamps.tolist() == [2]
    assert natives_of(first.batch.native.histograms) == natives_of(second.native.histograms)


def test_novaql_answers_histograms_beside_floats() -> None:
    with local_server() as server:
        assert write(server) == 204
        instant = server.novaql(query="latency", time=TIME_S).json()
        ranged = server.novaql(query="latency", start=TIME_S, end=TIME_S + 60, step="1m").json()

    (sample,) = instant["result"]
    shown = {"count": 6, "sum": 9.5, "buckets": [[0, 0.5, 1, 2], [0, 1, 2, 4]]}
    assert sample == {
        "metric": {"__name__": "latency", "job": "api"},
        "histogram": [TIME_S, shown],
    }
    (series,) = ranged["result"]
    assert "values" not in series
    assert [(time, found["count"]) for time, found in series["histograms"]] == [
        (TIME_S, 6),
        (TIME_S + 60, 7),
    ]
    for answer in (instant, ranged):
        NovaqlAnswer.model_validate(answer)
