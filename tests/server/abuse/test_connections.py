"""Clients that send slowly, or endlessly, or open many connections: the others do not notice."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack, suppress

import pytest

from novaql.server.auth.roles import Role
from tests.support.abuse.rig import AbuseRig
from tests.support.servers.raw_http import connected, until_closed

pytestmark = pytest.mark.slow

NOISY = "127.0.0.66"
"""The address that the noisy tenant's connections come from."""


def status_of(connection: socket.socket) -> bytes:
    """The status that a connection was closed with; b"" if it was reset."""
    with suppress(ConnectionError):
        return until_closed(connection)[9:12]
    return b""


def test_one_endless_header(rig: AbuseRig) -> None:
    with rig.watched() as noticed, connected(rig.server.url, source=NOISY) as connection:
        sent = 0
        with suppress(ConnectionError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
            while sent < 200 << 20:
                sent += connection.send(b"a" * 65536)
    assert sent < 100 << 20
    noticed.assert_unharmed()


def test_half_heads_and_more_connections_than_one_address_has(rig: AbuseRig) -> None:
    with rig.watched() as noticed, ExitStack() as stack:
        held = []
        for _ in range(400):
            connection = stack.enter_context(connected(rig.server.url, source=NOISY))
            with suppress(ConnectionError):
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
            held.append(connection)
        statuses = [status_of(connection) for connection in held]
    assert set(statuses) <= {b"408", b"503", b""}
    assert 1 <= statuses.count(b"408") <= 256
    assert statuses.count(b"408") + statuses.count(b"503") >= 256
    noticed.assert_unharmed()


def test_bodies_that_do_not_go_on(rig: AbuseRig) -> None:
    head = (
        "POST /api/v1/import/prometheus HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {rig.noisy[Role.OPERATOR]}\r\nContent-Length: 1000000\r\n\r\n"
    ).encode()
    with rig.watched() as noticed, ExitStack() as stack:
        held = [stack.enter_context(connected(rig.server.url, source=NOISY)) for _ in range(60)]
        for connection in held:
            connection.sendall(head + b"a 1\n")
        statuses = [status_of(connection) for connection in held]
    assert set(statuses) <= {b"408", b"503"}
    assert b"408" in statuses
    assert set(noticed.query_statuses) == {200}
    assert noticed.write_statuses[-1] == 204


def test_answers_that_are_not_taken(rig: AbuseRig) -> None:
    request = (
        "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {rig.noisy[Role.READ_ONLY]}\r\n\r\n"
    ).encode()
    with rig.watched() as noticed, ExitStack() as stack:
        for _ in range(60):
            connection = stack.enter_context(connected(rig.server.url, source=NOISY))
            connection.setblocking(False)
            with suppress(BlockingIOError, ConnectionError):
                for _ in range(2000):
                    connection.send(request)
        time.sleep(5)
    noticed.assert_unharmed()


def test_answers_of_queries_that_are_not_taken(rig: AbuseRig) -> None:
    """Each answer has 15 MB, which are encoded at once. 150 of them exceed the memory."""
    with rig.client(Role.OPERATOR) as client:
        times = (1_700_000_000_000, 1_700_000_060_000)
        lines = [f'heavy{{n="{n}"}} {n / 7} {at}\n' for n in range(170) for at in times]
        answer = client.post("/api/v1/import/prometheus", content="".join(lines))
        answer.raise_for_status()
    begun = 0
    with rig.watched() as noticed, ExitStack() as stack:
        for number in range(200):
            # No other query has this one's result in the cache.
            query = {"query": f"heavy * {number + 1.5}", "start": 1_700_000_000, "step": "10ms"}
            form = {"end": 1_700_000_100, "format": "arrow", "layout": "wide"}
            body = json.dumps({**query, **form})
            connection = connected(rig.server.url, source=NOISY)
            stack.enter_context(connection)
            head = (
                "POST /v1/novaql HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {rig.noisy[Role.READ_ONLY]}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall((head + body).encode())
            with suppress(ConnectionError):
                begun += connection.recv(15) == b"HTTP/1.1 200 OK"
        time.sleep(2)
    assert begun > 170
    noticed.assert_unharmed()
