"""Answers with long labels: their texts are reserved as long as the answer is generated."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from novaql import tsdb
from novaql.server.auth.roles import Role
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.raw_http import connected, heard

MIB = 1 << 20
ROWS, LONG = 200, 400_000
AT_S = 1_700_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    sets = [{"__name__": "m", "long": "x" * LONG + str(i)} for i in range(ROWS)]
    rows, at = np.arange(ROWS), np.full(ROWS, AT_S * 1000)
    with tsdb.memory() as store:
        series = tsdb.SeriesTable.from_dicts(sets)
        store.append(tsdb.Batch(series, rows, at, rows.astype(np.float64)))
        with local_server(store, query_memory_bytes=128 * MIB) as made:
            yield made


@pytest.mark.parametrize("form", ["csv", "arrow"])
def test_labels_of_an_answer_beyond_the_memory_are_refused(server: LocalServer, form: str) -> None:
    whole = server.novaql(query="m", time=AT_S, format=form)
    some = server.novaql(query="m", time=AT_S, format=form, limit=2)

    assert (whole.status_code, some.status_code) == (422, 200)
    assert "the text of the labels needs 152 MiB, the limit is 96 MiB" in whole.text
    assert some.content.count(b"x" * LONG) == 2
    assert server.context.pools.query_memory.used == 0


def request(server: LocalServer, **body: Any) -> bytes:
    text = json.dumps(body)
    return (
        "POST /v1/novaql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: {server.bearer(Role.READ_ONLY)['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}"
    ).encode()


def test_labels_are_reserved_until_the_client_leaves(server: LocalServer) -> None:
    memory = server.context.pools.query_memory
    with connected(str(server.client.base_url)) as connection:
        connection.sendall(request(server, query="m", time=AT_S, format="csv", limit=100))
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert memory.used >= 2 * 100 * LONG
    end = time.monotonic() + 30
    while memory.used and time.monotonic() < end:
        time.sleep(0.05)
    assert memory.used == 0


@pytest.mark.slow
def test_an_answer_with_many_labels_arrives_though_the_client_pauses(server: LocalServer) -> None:
    """Its first piece has the labels, 38 MiB, of the 64 MiB that unread answers may have. The rest
    of the result does not have as much again."""
    times = {"start": AT_S, "end": AT_S + 200, "step": "100ms"}
    with connected(str(server.client.base_url)) as connection:
        connection.sendall(request(server, query="m", format="arrow", limit=100, **times))
        read = [connection.recv(65536)]
        for _ in range(5):  # the server compares once a second
            time.sleep(0.5)
            read.append(connection.recv(65536))
        while part := connection.recv(65536):
            read.append(part)
    assert heard(b"".join(read), "POST").body.endswith(b"\xff\xff\xff\xff\0\0\0\0")
