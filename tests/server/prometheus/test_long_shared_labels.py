"""Series share long labels in the store. Answers that repeat them reserve their memory first."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cramjam
import httpx
import numpy as np
import pytest

from novaql import export, tsdb
from novaql.server.auth.roles import Role
from novaql.server.prometheus.read_messages import label_fields, label_octets
from novaql.tsdb.model.exemplars import Exemplars
from tests.support.messages.remote_messages import ReadRequestMessage
from tests.support.servers.http_server import LocalServer, local_server

MIB = 1 << 20
ROWS, LONG = 500, 400_000


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    sets = [{"__name__": "m", "i": str(i), "long": "x" * LONG} for i in range(ROWS)]
    sets += [{"__name__": "few", "i": str(i), "long": "x" * LONG} for i in range(2)]
    now, rows = int(time.time() * 1000), np.arange(ROWS + 2)
    series = tsdb.SeriesTable.from_dicts(sets)
    trace = tsdb.SeriesTable.from_dicts([{"trace_id": "t"}] * len(rows))
    at = np.full(len(rows), now)
    exemplars = Exemplars(rows, at, rows.astype(np.float64), trace)
    with tsdb.memory() as store:
        store.append(tsdb.Batch(series, rows, at, rows.astype(np.float64), exemplars=exemplars))
        with local_server(store, query_memory_bytes=128 * MIB) as made:
            yield made


def read(server: LocalServer, name: str, form: int, function: str) -> httpx.Response:
    request = ReadRequestMessage(accepted_response_types=[form])
    query = request.queries.add(end_timestamp_ms=2**50)
    query.matchers.add(name="__name__", value=name)
    query.hints.func = function
    return server.client.post(
        "/prometheus/api/v1/read",
        content=bytes(cramjam.snappy.compress_raw(request.SerializeToString())),
        headers={"Content-Encoding": "snappy", **server.bearer(Role.READ_ONLY)},
    )


def get(server: LocalServer, path: str, name: str) -> httpx.Response:
    return server.client.get(
        f"/prometheus/{path}",
        params={"match[]": name, "query": name},
        headers=server.bearer(Role.READ_ONLY),
    )


@pytest.mark.parametrize("path", ["api/v1/series", "federate", "api/v1/query_exemplars"])
def test_lists_of_series_reserve_their_labels(server: LocalServer, path: str) -> None:
    few, many = get(server, path, "few"), get(server, path, "m")

    assert few.status_code == 200
    assert few.content.count(b"x" * LONG) == 2
    assert many.status_code == 422
    assert "the limit is 96 MiB" in many.text
    assert server.context.pools.query_memory.used == 0


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize("function", ["", "series"])
def test_remote_reads_reserve_labels(server: LocalServer, form: int, function: str) -> None:
    few, many = (read(server, name, form, function) for name in ("few", "m"))

    assert few.status_code == 200
    assert many.status_code == 422
    assert "the limit is 96 MiB" in many.text
    assert server.context.pools.query_memory.used == 0


def test_a_limited_list_reserves_what_it_shows(server: LocalServer) -> None:
    answer = server.client.get(
        "/prometheus/api/v1/series",
        params={"match[]": "m", "limit": 2},
        headers=server.bearer(Role.READ_ONLY),
    )

    assert answer.status_code == 200
    assert len(answer.json()["data"]) == 2


def test_sizes_count_escapes_and_bytes() -> None:
    sets = [{"a": "\x01" * 3000, "b": "é" * 3000}, {"b": "é" * 3000}, {"c": "1"}]
    series = tsdb.SeriesTable.from_dicts(sets)
    encoded = [len(text) for text in export.series_json(series)[1:-1].split(b"},")]

    assert label_octets(series) == sum(map(len, label_fields(series)))
    sizes = export.label_bytes(series)
    assert [abs(a - b) < 20 for a, b in zip(sizes, encoded, strict=True)] == [True] * 3


def test_metadata_reserves_its_text_as_json() -> None:
    """JSON has six bytes for a control character."""
    long = tsdb.Metadata("gauge", "\x01" * MIB, "")
    with tsdb.memory() as store:
        store.set_metadata({f"m{i}": long for i in range(4)})
        with local_server(store, query_memory_bytes=32 * MIB) as server:
            whole, one = (server.prometheus("metadata", **limit) for limit in ({}, {"limit": 1}))
    assert (whole.status_code, one.status_code) == (422, 200)
    assert "list of metadata" in whole.json()["error"]


@pytest.mark.parametrize(
    "path",
    ["label/long/values", "labels", "search/label_values", "search/label_names", "status/tsdb"],
)
def test_lists_of_texts_reserve_their_json(path: str) -> None:
    texts = ["\x01" * LONG + str(i) for i in range(20)]
    sets = [{"__name__": "m", "long": text, text: "1"} for text in texts]
    now = int(time.time() * 1000)
    with tsdb.memory() as store:
        series = tsdb.SeriesTable.from_dicts(sets)
        rows = np.arange(len(sets))
        store.append(tsdb.Batch(series, rows, np.full(len(sets), now), np.ones(len(sets))))
        with local_server(store, query_memory_bytes=32 * MIB) as server:
            whole, some = (
                server.prometheus(path, label="long", limit=limit) for limit in (1000, 1)
            )
    assert (whole.status_code, some.status_code) == (422, 200)
    assert "the limit is 24 MiB" in whole.json()["error"]
    assert rb"\u0001" * LONG in some.content or path == "status/tsdb"


def test_a_search_reserves_the_metadata_it_shows() -> None:
    names = [f"m{i}" for i in range(6)]
    now = int(time.time() * 1000)
    with tsdb.memory() as store:
        store.set_metadata({name: tsdb.Metadata("gauge", "\x01" * MIB, "") for name in names})
        series = tsdb.SeriesTable.from_dicts([{"__name__": name} for name in names])
        rows = np.arange(len(names))
        store.append(tsdb.Batch(series, rows, np.full(len(rows), now), np.ones(len(rows))))
        with local_server(store, query_memory_bytes=32 * MIB) as server:
            whole, one, bare = (
                server.prometheus("search/metric_names", **given)
                for given in (
                    {"include_metadata": "true"},
                    {"include_metadata": "true", "limit": 1},
                    {},
                )
            )
    assert (whole.status_code, one.status_code, bare.status_code) == (422, 200, 200)
    assert "list of metric names" in whole.json()["error"]
