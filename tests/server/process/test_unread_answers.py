"""Answers that clients do not read: which of them end."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack

import pytest

from novaql.server.auth.roles import Role
from novaql.server.process.unread_answers import Reading, UnreadAnswer, beyond
from tests.support.servers.http_server import LocalServer, local_server
from tests.support.servers.raw_http import connected, heard


class _Aborted:
    def abort(self) -> None: ...


ANY = _Aborted()


def test_nothing_ends_within_the_bound() -> None:
    assert beyond([], 0) == []
    assert beyond([UnreadAnswer("a", 60, 0.0, ANY), UnreadAnswer("b", 40, 1.0, ANY)], 100) == []


def test_answers_of_the_slowest_clients_of_the_tenant_with_the_most_end() -> None:
    few = [UnreadAnswer("few", 30, 0.0, ANY)]
    many = [UnreadAnswer("many", 20, float(at), ANY) for at in (5, 3, 4, 9)]
    assert beyond([*few, *many], 70) == [many[3], many[0]]


def test_tenants_with_equal_shares_lose_in_turn() -> None:
    answers = [UnreadAnswer(tenant, 10, float(at), ANY) for tenant in "ab" for at in range(4)]
    ended = beyond(answers, 40)
    assert sorted((answer.tenant, answer.late_s) for answer in ended) == [
        ("a", 2), ("a", 3), ("b", 2), ("b", 3),
    ]  # fmt: skip


def test_one_answer_may_be_too_large_for_the_bound() -> None:
    large = UnreadAnswer("a", 1000, 0.0, ANY)
    assert beyond([UnreadAnswer("b", 10, 0.0, ANY), large], 100) == [large]


def test_a_client_is_ahead_by_what_it_reads_also_when_the_next_piece_fills_the_buffer() -> None:
    reading, piece = Reading(least_rate=1000, idle_s=60), 5000
    reading.begin(0.0)
    reading.observe(piece, piece, 1.0, 1.0)
    for second in range(2, 6):  # each second: a piece is read, the next is written
        assert reading.observe(piece, piece * second, float(second), 1.0)
    assert reading.ahead_s == -1 + 4 * (5 - 1)


def test_a_client_that_reads_nothing_falls_behind_and_is_idle_in_the_end() -> None:
    reading = Reading(least_rate=1000, idle_s=60)
    reading.begin(0.0)
    answers = [reading.observe(5000, 5000, float(second), 1.0) for second in range(1, 70)]
    assert reading.ahead_s == -69
    assert answers == [True] * 61 + [False] * 8


def test_the_next_answer_on_a_connection_counts_from_nothing() -> None:
    reading = Reading(least_rate=1000, idle_s=60)
    reading.observe(0, 9000, 1.0, 1.0)
    reading.observe(4000, 4000, 2.0, 1.0)
    reading.observe(2000, 4000, 3.0, 1.0)
    assert reading.ahead_s == -1 + 2 - 1


def streamed(server: LocalServer, factor: float) -> bytes:
    """A request whose answer has 34 MB, of which the server generates 16 MiB at once. No other
    factor has its result in the cache."""
    times = {"start": 1_700_000_000, "end": 1_700_000_100, "step": "10ms"}
    body = json.dumps({"query": f"heavy * {factor}", "format": "arrow", **times})
    return (
        "POST /v1/novaql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: {server.bearer(Role.READ_ONLY)['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


@pytest.mark.slow
def test_a_client_that_reads_steadily_gets_its_answer_beside_those_that_do_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with local_server(query_memory_bytes=256 << 20) as server, ExitStack() as stack:
        samples = [(1_700_000_000_000, 1.0), (1_700_000_060_000, 2.0)]
        server.write([({"__name__": "heavy", "n": str(n)}, samples) for n in range(170)])
        url = str(server.client.base_url)
        steady = stack.enter_context(connected(url))
        steady.sendall(streamed(server, 0.5))
        read = [steady.recv(65536)]
        others = [stack.enter_context(connected(url)) for _ in range(5)]
        for number, other in enumerate(others):
            other.sendall(streamed(server, number + 1.5))
        end = time.monotonic() + 30
        while "answers that clients" not in caplog.text and time.monotonic() < end:
            read.append(steady.recv(1 << 20, socket.MSG_WAITALL))
            time.sleep(0.2)
        assert "answers that clients" in caplog.text
        while part := steady.recv(65536):
            read.append(part)
    assert len(heard(b"".join(read), "POST").body) > 30 << 20  # complete: heard raises otherwise
