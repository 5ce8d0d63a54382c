"""Native histograms from a sender's message to an answer."""

from __future__ import annotations

from server.platform.scopes import Role
from tests.support.http_server import WRITE_HEADERS, LocalServer, local_server
from tests.support.remote_write_messages import message_of, packed

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
