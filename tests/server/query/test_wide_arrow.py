"""The wide layout of Arrow streams: a column for each series."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from novaql import query
from novaql.server.tuning import Tuning
from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer, local_server


def test_an_arrow_stream_has_a_column_for_each_series_if_it_is_wide(server: LocalServer) -> None:
    times = {"start": NOW_S - 60, "end": NOW_S, "step": 30}
    body = {"query": "up", "format": "arrow", "layout": "wide"}
    answer = server.client.post("/v1/novaql", json=body | times, headers=server.bearer())

    assert answer.headers["content-length"] == str(len(answer.content))
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    store = server.store
    expected = query("up", store, start=NOW_S - 60, end=NOW_S, step=30).arrow(layout="wide")
    assert expected.num_columns == 3
    assert table == expected


def samples_read(server: LocalServer) -> str:
    text = server.client.get("/metrics").text
    return next(line for line in text.splitlines() if line.startswith("novaql_query_samples"))


def test_a_range_vector_has_no_wide_arrow_stream_and_is_not_read(server: LocalServer) -> None:
    asked = {"query": "up[5m]", "format": "arrow", "layout": "wide", "time": NOW_S}
    before = samples_read(server)
    answer = server.client.post("/v1/novaql", json=asked, headers=server.bearer())

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "validation_error"
    assert answer.json()["error"]["message"] == (
        "layout: the samples of a range vector have times of their own; take the long layout"
    )
    assert samples_read(server) == before


@pytest.mark.parametrize(
    ("query", "times", "code"),
    [("up[5m]", {"start": NOW_S - 60}, "type_error"), ("up[", {}, "syntax_error")],
)
def test_an_invalid_query_of_a_wide_arrow_stream_has_its_own_error(
    server: LocalServer, query: str, times: dict[str, int], code: str
) -> None:
    asked = {"query": query, "format": "arrow", "layout": "wide"} | times
    answer = server.client.post("/v1/novaql", json=asked, headers=server.bearer())

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


def test_more_series_than_columns_have_no_wide_arrow_stream() -> None:
    asked = {"query": "up", "format": "arrow", "layout": "wide", "time": NOW_S}
    with local_server(tuning=Tuning(wide_columns=1)) as server:
        series = [({"__name__": "up", "instance": name}, [(NOW_S * 1000, 1.0)]) for name in "ab"]
        assert server.write(series).is_success
        refused, one = (
            server.client.post("/v1/novaql", json=asked | limit, headers=server.bearer())
            for limit in ({}, {"limit": 1})
        )

    assert (refused.status_code, one.status_code) == (422, 200)
    assert refused.json()["error"]["code"] == "query_limit"
    assert refused.json()["error"]["message"] == (
        "the answer has 2 series, the wide layout 1 at most; take the long layout"
    )


def test_long_names_of_columns_have_no_wide_arrow_stream() -> None:
    """In the store, series share a long label; the names of columns share nothing."""
    asked = {"query": "up", "format": "arrow", "layout": "wide", "time": NOW_S}
    with local_server(tuning=Tuning(wide_columns=10)) as server:
        labels = {"__name__": "up", "long": "x" * 1000}
        series = [({**labels, "instance": str(i)}, [(NOW_S * 1000, 1.0)]) for i in range(6)]
        assert server.write(series).is_success
        refused, some = (
            server.client.post("/v1/novaql", json=asked | limit, headers=server.bearer())
            for limit in ({}, {"limit": 4})
        )

    assert (refused.status_code, some.status_code) == (422, 200)
    assert refused.json()["error"]["code"] == "query_limit"
    assert (
        "in the wide layout 5120 at most; take the long layout"
        in (refused.json()["error"]["message"])
    )
